"""Organisations' documents: every answer stands in its document once, and rows show what the readers are served."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from tuning.organisation_questions import FILES, LONGEST, SOURCE, make_organisation_rows, read_organisation

FILE = """# Leave
Staff have **28 days** of leave.

## Carrying over
Up to five days may be carried over until 31 March.

?+ how much holiday do I get | 28 days
?+ can I keep some for next year? | Up to five days may be carried over
?- Can I sell my holiday?
# Sick leave
Ring your manager before 9 am. A note is needed from the fourth day on.

?+ When do I need a doctor's note? | from the fourth day on
?- Who pays for the note?
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mill.txt"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_documents_have_their_text_and_what_is_asked_of_them(path: Path) -> None:
    leave, sick = read_organisation(path)
    assert (leave.title, sick.title) == ("Leave", "Sick leave")
    assert [one.answer for one in leave.asked] == ["28 days", "Up to five days may be carried over", ""]
    assert "**" not in leave.text
    assert "?" not in leave.text


def test_an_answer_that_stands_nowhere_or_twice_is_told(path: Path) -> None:
    path.write_text(FILE.replace("| from the fourth day on", "| never"), encoding="utf-8")
    with pytest.raises(ValueError, match="stands there 0 times"):
        read_organisation(path)
    path.write_text(FILE.replace("Ring your", "Ring, from the fourth day on, your"), encoding="utf-8")
    with pytest.raises(ValueError, match="stands there 2 times"):
        read_organisation(path)


def test_a_long_document_is_cut_at_paragraphs_and_a_later_passage_names_its_section(path: Path) -> None:
    text = "# Rules\nFirst.\n\n## Keys\n" + "\n\n".join(f"Key {n} opens {'a' * 90} door." for n in range(20))
    path.write_text(text + "\n", encoding="utf-8")
    [document] = read_organisation(path)
    passages = document.passages("mill")
    assert [passage.title for passage in passages] == ["Rules", *["Rules › Keys"] * (len(passages) - 1)]
    assert len(passages) > 1
    assert max(len(passage.text) for passage in passages) <= LONGEST + 100
    assert passages[0].text.startswith("First.\n\nKeys\nKey 0")


def test_rows_point_at_the_answer_and_have_none_where_nothing_answers(path: Path) -> None:
    rows = list(make_organisation_rows([path], random.Random(2)))
    for row in rows:
        assert row["source"] == SOURCE
        assert row["group"] == "organisation mill"
        assert bool(row["spans"]) == bool(row["answerable"])
    answers = {row["context"][slice(*row["spans"][0])] for row in rows if row["answerable"]}
    assert answers == {"28 days", "Up to five days may be carried over", "from the fourth day on"}
    assert {row["question"] for row in rows if not row["answerable"]} >= {"Can I sell my holiday?"}


def test_some_questions_are_asked_of_a_sentence_alone(path: Path) -> None:
    rows = [row for seed in range(20) for row in make_organisation_rows([path], random.Random(seed))]
    alone = {(row["question"], row["context"]) for row in rows if row["context"].count(".") == 1}
    assert ("Can I sell my holiday?", "Staff have 28 days of leave.") in alone
    assert ("how much holiday do I get", "Leave\nStaff have 28 days of leave.") in alone


def test_what_is_kept_reads_and_a_third_has_no_answer() -> None:
    documents = [document for path in FILES for document in read_organisation(path)]
    kinds = Counter(bool(one.answer) for document in documents for one in document.asked)
    assert 0.3 < kinds[False] / kinds.total() < 0.45
    rows = make_organisation_rows(FILES[:8], random.Random(1))
    labels = Counter(row["answerable"] for row in rows)
    assert 0.4 < labels[1] / labels.total() < 0.6
