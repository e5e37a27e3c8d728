"""Rows that a question names, rows of one name, lists below a heading that turns them round, and spans of days."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.sentences import split_units
from core.settings import Settings, load_settings
from core.types import Evidence
from generation.answerable import Answerability
from generation.generators import write_draft
from generation.named_rows import rows_named
from generation.passages import passages_of
from generation.pinned import pinned_by, speaks_of
from generation.quote import QuoteGenerator
from generation.table_filters import rows_meeting
from models.reader import has_reader
from models.second_reader import has_second_reader
from tests.generation.passages import evidence_of

MEMBERSHIPS = """| Membership | Monthly fee | Minimum term | Pool | Guests |
|---|---|---|---|---|
| Day | 29 € | 1 month | no | 0 |
| Standard | 49 € | 6 months | no | 1 a month |
| Full | 69 € | 12 months | yes | 2 a month |
| Family | 119 € | 12 months | yes | 4 a month |
"""
COURSES = """| Course | Day | Start | Trainer | Places |
|---|---|---|---|---|
| Spinning | Monday | 18:00 | Lena Ortiz | 22 |
| Pilates | Wednesday | 17:30 | Mira Sand | 16 |
| Spinning | Thursday | 18:00 | Tom Acker | 22 |
"""
HOURS = "The gym is open Monday to Friday 6:00–23:00 and Saturday 8:00–20:00."
reading = pytest.mark.skipif(not (has_reader() and has_second_reader()), reason="the readers' weights are missing")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path)


def headed(text: str, heading: str) -> tuple[Evidence, ...]:
    [item] = evidence_of(text)
    return (replace(item, hit=replace(item.hit, chunk=replace(item.hit.chunk, heading=heading))),)


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("How many guests can I bring with Standard?", "Standard"),
        ("Does the Day membership include the pool?", "Day"),
        ("Does the Day membership include the sauna?", None),
        ("How much is the pool a day?", None),  # "a day" is no name of a membership
        ("What will the minimum term for Family be next year?", None),
        ("What is the minimum term?", None),
        ("What does Premium cost?", None),
    ],
)
def test_a_row_is_named_where_no_word_is_of_another_thing(question: str, row: str | None) -> None:
    named = rows_named(question, passages_of(evidence_of(MEMBERSHIPS)))
    assert [one.text.strip("| ").split(" |")[0] for one in named] == ([row] if row else [])


def test_a_name_of_several_words_is_named_in_any_case() -> None:
    offices = "| Office | Phone |\n|---|---|\n| Building authority | 420 |\n| Registry office | 410 |\n"
    [row] = rows_named("What is the phone number of the building authority?", passages_of(evidence_of(offices)))
    assert "420" in row.text


def test_a_row_that_two_tables_have_is_not_named() -> None:
    older = MEMBERSHIPS.replace("Monthly fee", "Fee in 2019")
    assert rows_named("How many guests can I bring with Standard?", passages_of(evidence_of(MEMBERSHIPS, older))) == []


@reading
def test_a_row_that_is_named_is_answered_with(settings: Settings) -> None:
    question, evidence = "How many guests can I bring with Standard?", evidence_of(MEMBERSHIPS)
    assert Answerability(settings).reason(question, evidence) is None
    assert write_draft(QuoteGenerator(settings), question, evidence).text.startswith("Membership: Standard;")


@pytest.mark.parametrize(
    ("question", "days"),
    [
        ("When is spinning?", ["Monday", "Thursday"]),
        ("Who teaches spinning?", ["Monday", "Thursday"]),
        ("When is spinning on Thursday?", ["Thursday"]),
        ("When is pilates?", ["Wednesday"]),
    ],
)
@reading
def test_rows_of_one_name_are_quoted_together(settings: Settings, question: str, days: list[str]) -> None:
    text = write_draft(QuoteGenerator(settings), question, evidence_of(COURSES)).text
    assert [line.split("; ")[1].removeprefix("Day: ") for line in text.splitlines()] == days


@reading
def test_a_row_without_heads_is_quoted_alone(settings: Settings) -> None:
    evidence = evidence_of("| Spinning | Monday | 18:00 |\n| Spinning | Thursday | 18:00 |\n")
    assert write_draft(QuoteGenerator(settings), "When is spinning?", evidence).text


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which is the cheapest membership with a pool?", ["Full"]),
        ("Which memberships with a pool cost less than 100 euros?", ["Full"]),
        ("Which memberships without a pool are there?", ["Day", "Standard"]),
        ("Which memberships do not cost more than 70 and include the pool?", []),  # what is denied is not clear
    ],
)
def test_a_column_of_yes_and_no_is_one_condition_of_several(question: str, expected: list[str]) -> None:
    found = rows_meeting(question, passages_of(evidence_of(MEMBERSHIPS)))
    assert [row.text.strip("| ").split(" |")[0] for row in found] == expected


def test_the_most_of_what_a_column_counts() -> None:
    passages = passages_of(evidence_of(COURSES))
    assert len(rows_meeting("Which course has the most places?", passages)) == 2
    assert [row.text[2:9] for row in rows_meeting("Which course has the fewest places?", passages)] == ["Pilates"]
    assert rows_meeting("Which course is the most popular?", passages) == []


def test_a_list_is_told_with_the_heading_that_says_what_it_lists(settings: Settings) -> None:
    evidence = headed("- Photographing other people\n- Glass bottles", "House rules › Not allowed")
    text = write_draft(QuoteGenerator(settings), "Am I allowed to take photos?", evidence).text
    assert text.splitlines()[0] == "Not allowed [1]"


def test_a_sentence_of_that_week_is_led_by_the_one_that_tells_which() -> None:
    text = "The heater will be replaced between 2 and 6 November. The sauna stays closed in that week."
    first, second = split_units(text)
    assert second.lead == (first.start, first.end)


@pytest.mark.parametrize(
    ("question", "text", "speaks"),
    [
        ("Is the gym open on a Tuesday?", HOURS, True),
        ("Is the gym open on a Tuesday?", "Open Mon.–Thu. from 9 to 5.", True),
        ("Is the gym open on a Tuesday?", "The canteen is open daily.", True),
        ("Is the gym open on a Tuesday?", "Open from Saturday to Monday.", False),
        ("Is the gym open on a Tuesday?", "Open on Fridays only.", False),
        ("Ist das Studio am Dienstag offen?", "Geöffnet Mo-Fr 8-12.", True),
        ("Ist das Studio am Dienstag offen?", "Geöffnet Donnerstag bis Samstag.", False),
    ],
)
def test_a_span_of_days_speaks_of_those_between(question: str, text: str, speaks: bool) -> None:
    other, passage = passages_of(evidence_of("Aqua Fit is on Tuesday, Turnen am Dienstag.", text))
    pins = pinned_by(question, [other.evidence, passage.evidence])
    assert pins
    assert speaks_of(pins, passage) == speaks
