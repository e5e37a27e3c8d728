"""A numbered name is held to its number: another of its kind answers nothing."""

from __future__ import annotations

import pytest

from generation.identifiers import identifiers, stranger
from generation.passages import passages_of
from generation.pinned import of_number
from tests.generation.passages import evidence_of

MODELS = (
    "The Brewmaster 300 weighs 7.2 kg.\n\nThe Brewmaster 500 weighs 9 kg.\n\nError E05 means heat, E09 a blocked pump."
    "\n\nThe KX-100/200 costs 249 euros, the UV-300 119 euros."
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How heavy is the Brewmaster 300?", {("Brewmaster", "300")}),
        ("What does E05 mean?", {("E", "05")}),
        ("When did Apollo 12 land?", {("Apollo", "12")}),
        ("What was agreed in March 2025, or on May 12, or in Q3 2025 or FY22?", set()),
        ("After 10 years, how much leave is there?", set()),
        ("Does it cost over 20 euros?", set()),
    ],
)
def test_numbered_names_of_a_question(question: str, expected: set[tuple[str, str]]) -> None:
    assert identifiers(question) == expected


@pytest.mark.parametrize(
    ("question", "strange"),
    [
        ("How heavy is the Brewmaster 700?", True),
        ("How heavy is the Brewmaster 500?", False),
        ("What does E07 mean?", True),
        ("What does E09 mean?", False),
        ("What does KX-300 cost?", True),  # UV-300 is another
        ("What does KX-200 cost?", False),
        ("How heavy is the Grinder 700?", False),  # no other of its kind says what this one is not
    ],
)
def test_one_of_a_known_kind_that_the_evidence_never_names_is_a_stranger(question: str, strange: bool) -> None:
    assert stranger(question, evidence_of(MODELS)) is strange


def test_pieces_about_another_of_the_kind_are_left_out() -> None:
    passages = passages_of(
        evidence_of("The Brewmaster 300 weighs 7.2 kg. It is red.", "The Brewmaster 500 weighs 9 kg.")
    )
    kept = of_number("How heavy is the Brewmaster 500?", passages)
    assert [one.text for one in kept] == ["The Brewmaster 500 weighs 9 kg."]
    assert list(of_number("How heavy is it?", passages)) == passages
