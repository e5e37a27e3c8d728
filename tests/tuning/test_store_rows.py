"""Training rows out of a store: liked answers with what they were made from, and questions about its passages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.ask import ask
from app.feedback import give_feedback
from app.runtime import Runtime, open_runtime
from core.types import OPERATOR, Question
from generation.prompts import NOT_FOUND
from ingest.documents import delete_document
from tests.conftest import KnowledgeBase
from tuning.document_questions import ADAPTER, instruction, verified_examples
from tuning.judge import token_f1
from tuning.question_writer import Ask
from tuning.store_rows import liked_rows, passages_by_document

LEAVE = "How many hours of annual leave may full-time staff carry over?"
NOBODY = "Who painted the ceiling of the office in Lisbon?"


@pytest.fixture
def runtime(own_knowledge_base: KnowledgeBase) -> Iterator[Runtime]:
    rails = own_knowledge_base.settings.rails.model_copy(update={"enabled": False})
    settings = own_knowledge_base.settings.model_copy(update={"rails": rails})
    with open_runtime(settings, follow=False) as runtime:
        yield runtime


def rate(runtime: Runtime, question: str, rating: int) -> str:
    answer = ask(runtime, Question(question, OPERATOR))
    give_feedback(runtime.database, OPERATOR, answer.id, rating, "")
    return answer.id


def test_a_liked_answer_becomes_a_row_with_its_passage_and_marker(runtime: Runtime) -> None:
    liked = rate(runtime, LEAVE, 1)
    rate(runtime, "Who books flights?", -1)
    rows = {row["id"]: row for row in liked_rows(runtime.database)}
    row = rows[f"liked-{liked}"]
    assert list(rows) == [f"liked-{liked}"]
    assert row["answerable"]
    assert "240" in row["passages"][row["marker"] - 1]["text"]
    assert f"[{row['marker']}]" in row["target"]
    assert 1 <= len(row["passages"]) <= 3


def test_a_liked_refusal_teaches_to_refuse(runtime: Runtime) -> None:
    answer = ask(runtime, Question(NOBODY, OPERATOR))
    assert answer.outcome == "refused"
    give_feedback(runtime.database, OPERATOR, answer.id, 1, "")
    rows = liked_rows(runtime.database)
    assert [row["target"] for row in rows] == [NOT_FOUND]


def test_what_is_deleted_is_in_no_row(runtime: Runtime, own_knowledge_base: KnowledgeBase) -> None:
    rate(runtime, LEAVE, 1)
    delete_document(runtime.database, own_knowledge_base.ids["leave.md"], OPERATOR)
    assert liked_rows(runtime.database) == []
    assert not any("leave.md" in name for name in passages_by_document(runtime.database, None, 1000))


def test_passages_come_by_document_of_a_collection(runtime: Runtime) -> None:
    found = passages_by_document(runtime.database, "default", 1000)
    assert any("240" in text for texts in found.values() for text in texts)
    assert passages_by_document(runtime.database, "elsewhere", 1000) == {}


class Reads:
    """Finds the number of a passage where a question asks for it, and nothing otherwise."""

    def __init__(self, logit: float, span: tuple[int, int]) -> None:
        self.logit, self.span = logit, span


def read(question: str, passages: list[str]) -> list[Reads]:
    at = passages[0].find("240")
    return [Reads(1.0, (at, at + 9)) if "How many" in question else Reads(-1.0, (0, 0))]


def test_questions_are_kept_where_the_reader_agrees() -> None:
    text = "Staff may carry over 240 hours of leave in Lisbon, as Maria Santos wrote to Ana Costa."
    said = {"240": "How many hours may staff carry over?", "Lisbon": "nonsense"}

    def write(asks: list[Ask]) -> list[tuple[Ask, str]]:
        return [(ask, said.get(ask.answer.split()[0], "Who wrote all of this down?")) for ask in asks]

    kept, counts = verified_examples({"leave.md": [text]}, write, read, per_passage=9)
    assert counts["written"] == counts["no_question"] + counts["failed_check"] + counts["kept"]
    assert counts["kept"] == len(kept) > 0
    for example in kept:
        wanted = example.answers[0] if example.answers else ""
        assert bool(example.answers) is ("How many" in example.question)
        assert not wanted or token_f1("240 hours", wanted) >= 0.5


def test_a_server_is_asked_for_both_kinds_of_question() -> None:
    asked = {kind: instruction(Ask("A passage.", "240", kind)) for kind in (True, False)}
    assert "answers with: 240" in asked[True]
    assert "does not answer" in asked[False]
    assert ADAPTER.name == "question_writer"
