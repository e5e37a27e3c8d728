"""Of two editions that disagree the one in force is quoted first, and the one it replaced never alone."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.settings import Settings, load_settings
from core.types import Evidence
from generation.ages import standing
from generation.conflicts import disagrees
from generation.passages import passages_of
from generation.pinned import with_last_year
from generation.quote import QuoteGenerator
from tests.generation.passages import evidence_of

TABLE = "| Service | Cat | Rabbit |\n|---|---|---|\n| First consultation | £{0} | £{1} |\n| Microchip | £{2} | £{2} |\n"
OLD = "Valid from 1 January 2024 to 31 December 2024.\n\n" + TABLE.format(44, 40, 17)
NEW = "Valid from 1 January 2026. This list replaces the price list of 2024.\n\n" + TABLE.format(48, 44, 19)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path)


def editions(*told: tuple[str, str], apart: bool = False) -> tuple[Evidence, ...]:
    """Return one evidence a (title, text), all read on one day, from the head of their documents or from far below."""
    day = datetime(2026, 6, 1, tzinfo=UTC)
    items = evidence_of(*(text for _, text in told), offset=5000 if apart else 0)
    return tuple(
        replace(item, hit=replace(item.hit, title=title, source=f"{item.marker}.md", score=0.5, updated_at=day))
        for (title, _), item in zip(told, items, strict=True)
    )


def quoted(settings: Settings, question: str, evidence: tuple[Evidence, ...]) -> list[tuple[int, str]]:
    chosen = QuoteGenerator(settings).choose(question, passages_of(evidence))
    return [(piece.evidence.marker, piece.text) for piece in chosen]


@pytest.mark.parametrize("question", ["how much is a first consultation for a cat", "microchip"])
def test_the_row_in_force_comes_first_and_the_one_it_replaced_after_it(settings: Settings, question: str) -> None:
    found = quoted(settings, question, editions(("Prices", OLD), ("Prices", NEW)))
    assert [marker for marker, _ in found] == [2, 1]
    assert found[0][1].split("|")[1] == found[1][1].split("|")[1]


@pytest.mark.parametrize(("titles", "order"), [(("Prices 2024", "Prices 2026"), [2, 1]), (("Rates", "Rates"), [1, 2])])
def test_the_year_of_a_title_tells_editions_apart(
    settings: Settings, titles: tuple[str, str], order: list[int]
) -> None:
    texts = "Visitors pay 2.80 per metre and night.", "Visitors pay 3.20 per metre and night."
    found = quoted(settings, "What do visitors pay?", editions(*zip(titles, texts, strict=True), apart=True))
    assert [marker for marker, _ in found] == order


def test_a_year_in_the_title_says_nothing_beside_another_document() -> None:
    minutes, rules = editions(("Minutes 2026", "Eight people came."), ("Rules", "Nine people came."), apart=True)
    one, other = passages_of((minutes,))[0], passages_of((rules,))[0]
    assert standing(one, other) == standing(other, one)


def test_what_has_ended_or_not_begun_comes_last() -> None:
    ended, undated, coming = (
        passages_of((item,))[0]
        for item in editions(
            ("Fees", "Valid until 31 December 2020."), ("Fees", "The fee is due."), ("Fees", "Valid from 1 May 2190.")
        )
    )
    assert standing(undated, ended) > standing(ended, undated)
    assert standing(undated, coming) > standing(coming, undated)


def test_a_year_that_is_asked_about_is_quoted_alone(settings: Settings) -> None:
    evidence = editions(("Prices 2024", TABLE.format(44, 40, 17)), ("Prices 2026", TABLE.format(48, 44, 19)))
    found = quoted(settings, "How much was a first consultation for a cat in 2024?", evidence)
    assert [marker for marker, _ in found] == [1]


def test_the_year_before_this_one_may_be_asked_about_by_its_distance(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generation.pinned.now", lambda: datetime(2025, 3, 1, tzinfo=UTC))
    assert with_last_year("Was kostete es letztes Jahr?") == "Was kostete es letztes Jahr? 2024"
    assert with_last_year("What does it cost this year?") == "What does it cost this year?"
    asked = "what did a first consultation for a rabbit cost last year"
    evidence = editions(("Prices 2024", TABLE.format(44, 40, 17)), ("Prices 2026", TABLE.format(48, 44, 19)))
    assert [marker for marker, _ in quoted(settings, asked, evidence)] == [1]
    undated = editions(("Prices", TABLE.format(44, 40, 17)))
    assert quoted(settings, asked, undated)  # no evidence is of that year, so it pins nothing


def test_rows_are_rivals_by_their_first_cell_and_the_same_columns() -> None:
    hours = "| Day | Opens |\n|---|---|\n| Monday | {} |\n"
    first, again, other, bare = (
        passages_of((item,))[0]
        for item in evidence_of(
            hours.format("9:00"),
            hours.format("9:00"),
            hours.format("10:00"),
            "| Day | Trainer |\n|---|---|\n| Monday | Al |",
        )
    )
    assert disagrees(first, other)
    assert not disagrees(first, again)
    assert not disagrees(first, bare)


def test_a_row_of_another_thing_is_no_rival(settings: Settings) -> None:
    hours = "| Day | Opens |\n|---|---|\n| Monday | {} |\n| Tuesday | {} |\n"
    evidence = editions(("Gym", hours.format("7:00", "8:00")), ("Library", hours.format("9:00", "9:30")))
    assert quoted(settings, "When does the gym open on Monday?", evidence) == [(1, "| Monday | 7:00 |")]


def test_what_both_editions_say_is_quoted_from_the_one_in_force(settings: Settings) -> None:
    told = "Valid from 1 January {}.\n\nVisitors pay 3.20 per metre and night."
    evidence = editions(("Berths", told.format(2024)), ("Berths", told.format(2026)))
    found = quoted(settings, "What do visitors pay per night?", evidence)
    assert found == [(2, "Visitors pay 3.20 per metre and night.")]


@pytest.mark.parametrize(
    "question", ["Which services cost less than £20 for a cat?", "What is the cheapest service for a cat?"]
)
def test_rows_are_compared_within_the_edition_in_force(settings: Settings, question: str) -> None:
    evidence = editions(("Prices", OLD), ("Prices", NEW))
    assert [marker for marker, _ in quoted(settings, question, evidence)][:1] == [2]
    assert {text for _, text in quoted(settings, question, evidence)} >= {"| Microchip | £19 | £19 |"}
