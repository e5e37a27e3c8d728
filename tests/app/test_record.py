"""The record: the chain notices every change, a replay says what differs, a purge leaves no words behind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text
from typer.main import get_command

from app.ask import ask
from app.audit import find_record, link
from app.audit_cli import cli
from app.chain import verify_chain
from app.conversations import show_conversation
from app.doctor import examine
from app.feedback import give_feedback
from app.gaps import find_gaps
from app.replay import replay
from app.replay_cli import shown
from app.runtime import Runtime, open_runtime
from core.db.models import AuditRow
from core.errors import Conflict, InvalidInput, NotFound
from core.types import OPERATOR, Principal, Question
from tests.app.conftest import NO_RAILS
from tests.conftest import KnowledgeBase

audit = get_command(cli)
LEAVE = "How many hours of annual leave may full-time staff carry over?"


def asked(runtime: Runtime, *questions: str) -> list[str]:
    return [ask(runtime, Question(question, OPERATOR)).id for question in questions]


def test_every_answer_is_recorded_with_its_grounds(runtime: Runtime, own_knowledge_base: KnowledgeBase) -> None:
    answer = ask(runtime, Question(LEAVE, Principal("user:ana", frozenset({"group:staff"})), conversation_id="c"))
    row = find_record(runtime.database, answer.id)
    record = row.record
    assert record["principal"] == "user:ana"
    assert row.question == LEAVE
    assert record["index_seq"] == answer.index_seq > 0
    assert set(record["prompts"]) >= {"system", "question"}
    assert {citation["document_id"] for citation in record["citations"]} == {own_knowledge_base.ids["leave.md"]}
    assert {citation.chunk_id for citation in answer.citations} <= set(record["evidence"])
    assert "240 hours" not in json.dumps(record), "a record holds no words of a document"
    assert LEAVE not in json.dumps(record), "what was asked lies beside it"
    assert row.content is not None
    assert row.content["text"] == answer.text


TAMPERINGS = {
    "ids exchanged": "UPDATE audit SET answer_id = CASE seq WHEN 1 THEN 'b' WHEN 2 THEN 'a' ELSE answer_id END",
    "answer removed": "UPDATE audit SET content = NULL WHERE seq = 2",
    "no record": "UPDATE audit SET record = '[1]' WHERE seq = 2",
    "no JSON": "UPDATE audit SET record = 'not json' WHERE seq = 2",
    "no JSON in the answer": "UPDATE audit SET content = 'not json' WHERE seq = 2",
    "outcome": "UPDATE audit SET record = json_set(record, '$.outcome', 'x') WHERE seq = 2",
    "question": "UPDATE audit SET question = 'x' WHERE seq = 1",
    "question removed": "UPDATE audit SET question = NULL WHERE seq = 1",
    "all words removed": "UPDATE audit SET question = NULL, content = NULL WHERE seq = 1",
    "answer": "UPDATE audit SET content = json_set(content, '$.text', 'x') WHERE seq = 2",
    "hash": f"UPDATE audit SET sha256 = '{'1' * 64}' WHERE seq = 2",
    "previous": f"UPDATE audit SET previous = '{'0' * 64}' WHERE seq = 3",
    "removed": "DELETE FROM audit WHERE seq = 2",
    "first removed": "DELETE FROM audit WHERE seq = 1",
    "swapped": "UPDATE audit SET record = (SELECT record FROM audit WHERE seq = 1) WHERE seq = 3",
}


@pytest.mark.parametrize("change", TAMPERINGS)
def test_the_chain_notices(runtime: Runtime, change: str) -> None:
    asked(runtime, LEAVE, "Who books flights?", "Who decides about laptops?")
    assert verify_chain(runtime.database).to_json()["ok"]
    with runtime.database.write() as session:
        session.execute(text(TAMPERINGS[change]))
    report = verify_chain(runtime.database)
    assert report.broken
    assert not report.to_json()["ok"]
    checks = {check.name: check for check in examine(runtime.settings)}
    assert not checks["audit"].ok
    assert "row " in checks["audit"].detail


def test_a_record_cut_off_the_end_is_noticed_by_its_head(runtime: Runtime) -> None:
    asked(runtime, LEAVE, "Who books flights?")
    head = verify_chain(runtime.database).head
    assert not verify_chain(runtime.database, expect=head).broken
    with runtime.database.write() as session:
        session.execute(text("DELETE FROM audit WHERE seq = 2"))
    assert not verify_chain(runtime.database).broken
    assert verify_chain(runtime.database, expect=head).broken


def test_nothing_is_shown_whose_record_did_not_commit(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTEST_FAILPOINT", "sql.before_commit:1:error")
    from core.failpoints import _reached

    _reached.clear()
    with pytest.raises(OSError, match="failpoint"):
        ask(runtime, Question(LEAVE, OPERATOR))
    monkeypatch.delenv("ATTEST_FAILPOINT")
    assert verify_chain(runtime.database).rows == 0


def test_a_replay_is_the_same_until_something_changes(
    runtime: Runtime, own_knowledge_base: KnowledgeBase, tmp_path: Any
) -> None:
    [answer_id] = asked(runtime, LEAVE)
    assert replay(runtime, answer_id).to_json()["same"]
    with runtime.database.read() as session:
        assert session.query(AuditRow).count() == 1, "a replay is no answer"
    from ingest.documents import delete_document

    delete_document(runtime.database, own_knowledge_base.ids["leave.md"], OPERATOR)
    runtime.retriever.sync()
    differs = replay(runtime, answer_id)
    assert {"outcome", "text_sha256", "citations"} <= {difference["what"] for difference in differs.differences}
    assert differs.recorded is not None
    assert "240 hours" in differs.recorded["text"]


def test_a_replay_reads_the_version_in_force_then(runtime: Runtime, tmp_path: Any) -> None:
    from ingest.run import IngestOptions, ingest

    page = tmp_path / "canteen.md"

    def write(closing: str) -> None:
        page.write_text(f"# Canteen\n\nThe canteen closes at {closing} in the afternoon.\n", encoding="utf-8")
        ingest(
            [page],
            IngestOptions(),
            database=runtime.database,
            settings=runtime.settings,
            encoder=runtime.encoder,
        )
        runtime.retriever.sync()

    write("three")
    [answer_id] = asked(runtime, "When does the canteen close in the afternoon?")
    write("four")
    [newer_id] = asked(runtime, "When does the canteen close in the afternoon?")
    assert replay(runtime, answer_id).to_json()["same"]
    then, now = (find_record(runtime.database, one).content for one in (answer_id, newer_id))
    assert then is not None
    assert now is not None
    if then["outcome"] == "answered":
        assert "three" in then["text"]
        assert "four" in now["text"]


def test_a_purge_clears_the_words_and_keeps_the_chain(own_knowledge_base: KnowledgeBase) -> None:
    from ingest.purge import purge_document

    settings = own_knowledge_base.settings.model_copy(update={"rails": NO_RAILS})
    leave = own_knowledge_base.ids["leave.md"]
    with open_runtime(settings, follow=True) as runtime:  # as in a server: its index follows
        answer = ask(runtime, Question(LEAVE, OPERATOR, conversation_id="kept"))
        assert not any(purge_document(runtime.database, settings, leave, OPERATOR)["verified"].values())
        assert not verify_chain(runtime.database).broken
        assert find_record(runtime.database, answer.id).content is None
        assert "240 hours" not in json.dumps(show_conversation(runtime.database, OPERATOR, "kept"))


def test_gaps_group_what_went_unanswered(runtime: Runtime) -> None:
    liked, disliked = asked(runtime, "Who books flights?", "How long do claims take after the journey?")
    asked(
        runtime,
        "Which colour is the moon base painted in?",
        "What colour is the paint of the moon base?",
        "How often is the swimming pool cleaned?",
    )
    give_feedback(runtime.database, OPERATOR, disliked, -1, "wrong")
    give_feedback(runtime.database, OPERATOR, liked, 1, "")
    gaps = find_gaps(runtime)
    assert gaps[0].count == 2
    assert all("moon base" in question for question in gaps[0].questions)
    rest = {question: gap.why for gap in gaps[1:] for question in gap.questions}
    assert rest["How long do claims take after the journey?"] == {"disliked": 1}
    assert "How often is the swimming pool cleaned?" in rest


def test_feedback_is_the_askers(runtime: Runtime) -> None:
    answer = ask(runtime, Question(LEAVE, Principal("user:ana")))
    with pytest.raises(NotFound):
        give_feedback(runtime.database, Principal("user:hana"), answer.id, 1, "")
    give_feedback(runtime.database, Principal("user:ana"), answer.id, 1, "")
    give_feedback(runtime.database, Principal("user:ana"), answer.id, -1, "on second thoughts")
    from app.feedback import list_feedback

    assert [row["rating"] for row in list_feedback(runtime.database, 10)] == [-1]


def test_a_summary_is_recorded_and_not_replayed(runtime: Runtime, own_knowledge_base: KnowledgeBase) -> None:
    from app.summarize import Subject, summarize

    answer = summarize(runtime, Subject(OPERATOR, document_id=own_knowledge_base.ids["leave.md"]))
    assert find_record(runtime.database, answer.id).record["kind"] == "summary"
    with pytest.raises(InvalidInput):
        replay(runtime, answer.id)


def test_a_replay_names_a_calibration_that_was_refitted_since(runtime: Runtime) -> None:
    from dataclasses import replace

    from generation.calibration import FILE, load_calibration, save_calibration

    [answer_id] = asked(runtime, LEAVE)
    assert set(find_record(runtime.database, answer_id).record["judges"]) >= {"reader", "calibration", "threshold"}
    packaged = load_calibration(runtime.settings.home, second=True)
    assert packaged is not None
    save_calibration(replace(packaged, bias=packaged.bias - 50), runtime.settings.home / FILE)
    with open_runtime(runtime.settings, follow=False) as later:
        differs = {difference["what"] for difference in replay(later, answer_id).differences}
    assert {"outcome", "calibration"} <= differs
    assert not differs & {"reader", "second_reader", "verifier"}


def test_a_replay_names_a_reader_that_is_switched_off_since(runtime: Runtime) -> None:
    [answer_id] = asked(runtime, LEAVE)
    answers = runtime.settings.answers.model_copy(update={"second_reader": False})
    with open_runtime(runtime.settings.model_copy(update={"answers": answers}), follow=False) as later:
        differs = {difference["what"]: difference for difference in replay(later, answer_id).differences}
    assert differs["second_reader"]["recorded"]
    assert differs["second_reader"]["replayed"] is None


def test_a_record_of_before_readers_were_noted_replays(runtime: Runtime) -> None:
    [answer_id] = asked(runtime, LEAVE)
    with runtime.database.write() as session:
        row = session.query(AuditRow).one()
        row.record = {name: value for name, value in row.record.items() if name != "judges"}
        row.sha256 = link(row.previous, row.record)
    assert replay(runtime, answer_id).to_json()["same"]


def test_a_replay_shows_of_lists_what_differs() -> None:
    then, now = [("pii", "input", "allow"), ("exit_gate", "output", "allow")], [("pii", "input", "allow")]
    assert (shown(then, now), shown(now, then)) == ("exit_gate output allow", "nothing else")
    assert (shown(None, "no_evidence"), shown("no_evidence", None)) == ("none", "no_evidence")


@pytest.mark.parametrize("words", ["no json", "[1]"])
def test_a_broken_row_is_named_and_hides_no_other(
    runtime: Runtime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    first, broken, last = asked(runtime, LEAVE, "Who books flights?", "Who decides about laptops?")
    with runtime.database.write() as session:
        session.execute(text("UPDATE audit SET record = :words WHERE seq = 2"), {"words": words})
    monkeypatch.setenv("ATTEST_HOME", str(runtime.settings.home))
    audit(["list"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [last, broken, first]
    assert lines[1] == f"{broken}  record 2: its record cannot be read"
    with pytest.raises(Conflict, match=f"record 2 .answer {broken}. cannot be read"):
        give_feedback(runtime.database, OPERATOR, broken, 1, "")
    give_feedback(runtime.database, OPERATOR, last, -1, "")
    assert [gap.questions for gap in find_gaps(runtime)] == [("Who decides about laptops?",)]


def test_a_record_that_was_changed_is_not_replayed_as_if_it_were_true(runtime: Runtime) -> None:
    [answer_id] = asked(runtime, LEAVE)
    with runtime.database.write() as session:
        session.execute(text("UPDATE audit SET record = json_set(record, '$.operator', json('false'))"))
    with pytest.raises(Conflict, match="was changed: see attest audit verify"):
        replay(runtime, answer_id)
