"""Rows that meet a condition are all quoted, and no other; a question that sets none is left to the reader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.settings import load_settings
from generation.passages import Passage, passages_of
from generation.quote import QuoteGenerator
from generation.table_filters import not_meeting, not_ordered, rows_meeting
from tests.generation.passages import evidence_of

PLANS = """| Plan | Price a month | Response time | Loan machine |
|---|---|---|---|
| Basic | €9 | 5 days | no |
| Plus | €19.50 | 2 days | no |
| Pro | €39 | 1 day | yes |
| Business | €1,089 | 4 hours | yes |
"""
TARIFE = """| Tarif | Preis | Seiten |
|---|---|---|
| Klein | 9,50 € | 10 |
| Groß | 29 € | 200 |
"""


def met(question: str, text: str) -> list[str]:
    return [row.text.strip("| ").split(" |")[0] for row in rows_meeting(question, passages_of(evidence_of(text)))]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which plans cost less than 20 euros?", ["Basic", "Plus"]),
        ("What plans are there for under €39?", ["Basic", "Plus"]),
        ("Which plans cost at most 39?", ["Basic", "Plus", "Pro"]),
        ("Which plans cost more than twenty euros a month?", ["Pro", "Business"]),
        ("What is the cheapest plan?", ["Basic"]),
        ("Which plan is the most expensive?", ["Business"]),
        ("What is the second cheapest plan?", []),  # no row is the answer by its place at an end
        ("Which is the second-most expensive plan?", []),
        ("Which plans include a loan machine?", ["Pro", "Business"]),
        ("Which plans come without a loan machine?", ["Basic", "Plus"]),
        ("Which plans have the longest response time?", []),  # days and hours are not compared
        ("Which plans cost less than 5 euros?", []),
        ("Which machines cost less than 20 euros?", []),
        ("How much is the Pro plan?", []),
        ("Does a plan cost less than 20 euros?", []),
    ],
)
def test_rows_are_chosen_by_the_condition(question: str, expected: list[str]) -> None:
    assert met(question, PLANS) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Welche Tarife kosten weniger als 20 Euro?", ["Klein"]),
        ("Welcher Tarif hat mindestens 100 Seiten?", ["Groß"]),
        ("Was ist der günstigste Tarif?", ["Klein"]),
    ],
)
def test_german_conditions_too(question: str, expected: list[str]) -> None:
    assert met(question, TARIFE) == expected


STOCK = """| SKU | Product | Weight (kg) | Price EUR | Lead time (days) | Store |
|---|---|---|---|---|---|
| A-1 | Pump | 9.2 | 249.00 | 5 | Shed 1 |
| B-2 | Lamp | 1.1 | 389.50 | 14 | Shed 2 |
| C-3 | Ring | 2.5 | 8.75 | 1 | Shed 1 |
"""


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which product is the cheapest?", ["C-3"]),
        ("Which product is the heaviest?", ["A-1"]),
        ("Which product weighs the least?", ["B-2"]),
        ("Which product takes the longest to deliver?", ["B-2"]),
        ("Which products are in Shed 1?", ["A-1", "C-3"]),
        ("Which products are not in Shed 1?", []),
        ("Which product in Shed 1 is the most expensive?", ["A-1"]),
    ],
)
def test_what_is_asked_for_may_be_named_by_any_column_and_an_extreme_by_its_unit(
    question: str, expected: list[str]
) -> None:
    assert met(question, STOCK) == expected


def test_of_an_extreme_that_no_column_tells_no_row_is_the_answer(tmp_path: Path) -> None:
    passages = passages_of(evidence_of(STOCK))
    assert len(not_ordered("Which product is the largest?", passages)) == 3
    assert not not_ordered("Which product is in Shed 1?", passages)
    assert QuoteGenerator(load_settings(tmp_path)).choose("Which product is the largest?", passages) == []


PRICES = """| Plan | Price a month | Needs a contract |
|---|---|---|
| Small | 10 | no |
| Middle | 20 | no |
| Large | 30 | yes |
"""
TARIFE_10 = PRICES.replace("Plan | Price a month", "Tarif | Preis")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which plans do not cost more than 15?", ["Small"]),
        ("Which plans cost not more than 15?", ["Small"]),
        ("Which plans cost no more than 20?", ["Small", "Middle"]),
        ("Which plans don’t cost less than 20?", ["Middle", "Large"]),
        ("Which plans do not have a price over 15?", ["Small"]),
        ("Which plans have no price under 20?", ["Middle", "Large"]),
        ("Which plans cost no less than 20?", ["Middle", "Large"]),
        ("Which plans that are not for students cost more than 15?", []),
        ("Which plans that need no contract and cost more than 15 are there?", []),
        ("Which plans cost more than 15 and do not need a contract?", []),
        ("Which plan is not the cheapest?", []),
        ("What plans has Dover 5 times?", []),
    ],
)
def test_a_denied_bound_is_its_complement_and_another_denial_is_left_to_the_reader(
    question: str, expected: list[str]
) -> None:
    assert met(question, PRICES) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Welche Tarife kosten nicht mehr als 15 Euro?", ["Small"]),
        ("Welche Tarife kosten nicht weniger als 20 Euro?", ["Middle", "Large"]),
        ("Welche Tarife, die keinen Vertrag verlangen, kosten mehr als 15 Euro?", []),
    ],
)
def test_a_denied_bound_in_german(question: str, expected: list[str]) -> None:
    assert met(question, TARIFE_10) == expected


@pytest.mark.parametrize(
    ("question", "small", "large", "expected"),
    [
        ("Which plans cost more than 950 euros?", "900", "1,250", ["Large"]),
        ("Welche Tarife kosten mehr als 950 Euro im Monat?", "900", "1.250", ["Large"]),
        ("Welche Tarife kosten mehr als 1.000 Euro im Monat?", "900,50", "1.250,00", ["Large"]),
        ("Which plans cost more than 950 euros?", "900", "1.250", []),  # a thousand and more, or one and a quarter
        ("Which plans cost more than 0.5 euros?", "0.125", "1.250", ["Large"]),
        ("Which plans cost less than 0 euros?", "-4", "1", ["Small"]),
    ],
)
def test_figures_are_read_as_their_column_and_the_question_write_them(
    question: str, small: str, large: str, expected: list[str]
) -> None:
    table = f"| Plan Tarif | Price Preis |\n|---|---|\n| Small | {small} |\n| Large | {large} |\n"
    assert met(question.replace("Tarife", "Tarif"), table) == expected


FLATS = """| Flat | Rooms | Size in m² | Floor | Rent |
|---|---|---|---|---|
| A-207 | 2 | 54 | 2 | 780 € |
| A-301 | 3 | 71 | 3 | 990 € |
| B-104 | 3 | 68 | 1 | 940 € |
| B-110 | 1 | 33 | 1 | 520 € |
| C-401 | 4 | 96 | 4 | 1,290 € |
"""


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which flats have 3 rooms?", ["A-301", "B-104"]),
        ("Which flats have three rooms and cost less than 950 €?", ["B-104"]),
        ("Which flats are on the first floor?", ["B-104", "B-110"]),
        ("Which 3-room flat is the cheapest?", ["B-104"]),
        ("Which flats have at least 3 rooms?", ["A-301", "B-104", "C-401"]),
        ("Which flats are larger than 60 square metres?", ["A-301", "B-104", "C-401"]),
        ("Which flats are no larger than 54 m²?", ["A-207", "B-110"]),
        ("How many flats have 3 rooms?", ["A-301", "B-104"]),
        ("How many rooms does flat A-207 have?", []),
        ("Which flats have 2 or 3 rooms?", []),  # left to the reader
        ("Which flats have 5 rooms?", []),
        ("Which flats do not have 3 rooms?", []),
        ("Which flat has 3 bathrooms?", []),
    ],
)
def test_rows_are_chosen_by_what_they_count(question: str, expected: list[str]) -> None:
    assert met(question, FLATS) == expected


MODELS = """| Model | Type | RAM | Price | For whom |
|---|---|---|---|---|
| Book 14 | Laptop | 16 GB | 1150 € | everyone |
| Book 16 | Laptop | 32 GB | 1790 € | developers |
| View 27 | Monitor |  | 310 € | everyone |
| View 34 | Monitor |  | 620 € | managers |
| Dock | Accessory |  | 145 € | everyone |
"""


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which laptops are there?", ["Book 14", "Book 16"]),
        ("Which laptop has the most RAM?", ["Book 16"]),
        ("Which monitors can everyone order?", ["View 27"]),
        ("What laptops cost less than 1200 euros?", ["Book 14"]),
        ("Which laptops are made in Germany?", []),
        ("Which tablets are there?", []),
        ("Which models are there?", ["Book 14", "Book 16", "View 27", "View 34", "Dock"]),
        ("Which models are blue?", []),
        ("Which models cost less than 200 euros?", ["Dock"]),
    ],
)
def test_rows_are_chosen_by_the_kind_that_a_column_tells(question: str, expected: list[str]) -> None:
    assert met(question, MODELS) == expected


HALLS = """| Hall | Seats | Kitchen | Deposit | Suited to |
|---|---|---|---|---|
| Great room | 220 | yes | 500 | concerts, fairs |
| Blue room | 40 | no | 100 | courses |
| Reading room | 30 | no | 0 | readings, courses |
"""


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which hall has no deposit?", ["Reading room"]),
        ("Which halls are without a kitchen?", ["Blue room", "Reading room"]),
        ("Which halls are suited to courses?", ["Blue room", "Reading room"]),
        ("Which halls are not suited to courses?", []),
        ("Which halls with no more than 50 seats are there?", ["Blue room", "Reading room"]),
        ("Which halls have no stage?", []),
    ],
)
def test_rows_are_chosen_by_what_they_lack_or_list(question: str, expected: list[str]) -> None:
    assert met(question, HALLS) == expected


TOOLS = """| Tool | Kind | Daily rate | Deposit |
|---|---|---|---|
| Saw A | Saw | 12 € | 0 € |
| Saw B | Saw | 30 € | 50 € |
| Pump C | Pump | 45 € | 10 € |
"""


def test_a_price_is_of_the_column_whose_period_is_asked_for() -> None:
    assert met("Which tools cost less than 13 euros a day?", TOOLS) == ["Saw A"]
    assert met("Which saw is the cheapest?", TOOLS) == ["Saw A"]


def test_rows_that_do_not_meet_a_condition_are_no_answer() -> None:
    passages = passages_of(evidence_of(TOOLS))
    unmet = not_meeting("Which tools have no deposit?", passages)
    assert [row.text[2:8] for row in passages if id(row) in unmet] == ["Saw B ", "Pump C"]
    bound = not_meeting("Which tools weigh less than 5 kilos?", passages)
    assert [row.text[2:7] for row in passages if id(row) not in bound] == ["Saw A"]  # which has some figure below 5
    assert not_meeting("What is the saw like?", passages) == frozenset()


def test_rows_of_another_kind_are_no_answer_either() -> None:
    passages = passages_of(evidence_of(MODELS))
    unmet = not_meeting("Which laptops cost less than 1200 euros?", passages)
    assert [row.text[2:9] for row in passages if id(row) not in unmet] == ["Book 14"]


def parted(goes_on: bool, *, behind: str = "Tool | Kind | Daily rate | Deposit") -> list[Passage]:
    """A table cut before its last row, the second part under the head of the first."""
    head, *rows = TOOLS.splitlines()
    first, second = evidence_of("\n".join([head, *rows[:3]]), rows[3])
    chunk = first.hit.chunk
    moved = {"document_id": chunk.document_id, "start": chunk.end + 1, "heading": f"Tools\n| {behind} |"}
    second = replace(second, hit=replace(second.hit, chunk=replace(second.hit.chunk, **moved)))
    return passages_of((replace(first, goes_on=goes_on), second))


def test_a_table_in_parts_is_compared_whole_or_not_at_all() -> None:
    question = "Which tool has the highest daily rate?"
    assert [row.text[2:8] for row in rows_meeting(question, parted(goes_on=True))] == ["Pump C"]
    assert rows_meeting(question, parted(goes_on=True)[:2]) == []
    assert rows_meeting(question, parted(goes_on=True)[2:]) == []
    assert [row.text[2:7] for row in rows_meeting(question, parted(goes_on=False)[:2])] == ["Saw B"]
