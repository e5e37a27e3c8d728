"""Conversations about sites: what is asked after something reads alone, and rows show what the readers are served."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from tuning.reader_examples import heard
from tuning.talk_questions import FILES, SOURCE, make_talk_rows, read_talks

FILE = """= Lakeside Park
# Camping
Tents cost
$20 a night.
* Fires are allowed in rings only.
# Boats
A canoe is rented at the pier. The ramp opens at dawn.
~
U how much is a tent | $20 a night
A It's $20 a night.
U and for a canoe? |
A Sorry, I do not know.
~
U when does the boat ramp open | at dawn
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "park.txt"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_a_turn_knows_what_was_said_before_it_in_its_conversation(path: Path) -> None:
    [topic] = read_talks(path)
    assert [passage.title for passage in topic.passages] == ["Camping", "Boats"]
    assert topic.passages[0].text == "Tents cost $20 a night.\n* Fires are allowed in rings only."
    first, second, third = topic.turns
    assert (first.answer, second.answer, third.answer) == ("$20 a night", "", "at dawn")
    assert [message.role for message in second.history] == ["user", "assistant"]
    assert third.history == ()


def test_an_answer_that_stands_nowhere_is_told(path: Path) -> None:
    path.write_text(FILE.replace("| at dawn", "| at noon"), encoding="utf-8")
    with pytest.raises(ValueError, match="'at noon' stands there 0 times"):
        read_talks(path)


def test_a_follow_up_is_asked_as_the_product_rewrites_it(path: Path) -> None:
    rows = list(make_talk_rows([path], random.Random(1)))
    assert {row["source"] for row in rows} == {SOURCE}
    assert all(row["context"][slice(*row["spans"][0])] in ("$20 a night", "at dawn") for row in rows if row["spans"])
    unanswered = [row for row in rows if "canoe" in row["question"] and not row["answerable"]]
    assert {row["context"].partition("\n")[0] for row in unanswered} == {"Boats", "Camping"}
    assert all("tent" in row["question"] for row in unanswered)
    assert {heard(row) for row in unanswered} == {"how much is a tent It's $20 a night. and for a canoe?"}


def test_what_is_kept_reads_and_two_in_five_have_no_answer() -> None:
    turns = [turn for path in FILES for topic in read_talks(path) for turn in topic.turns]
    kinds = Counter(bool(turn.answer) for turn in turns)
    assert 0.3 < kinds[False] / kinds.total() < 0.5
    assert any(turn.history for turn in turns)
