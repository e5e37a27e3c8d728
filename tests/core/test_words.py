import pytest

from core.words import content_words, coverage, names, negated, numbers


def test_words_meet_across_endings_and_accents() -> None:
    assert content_words("accrued leaves") == content_words("accrues leave")
    assert content_words("café") == content_words("cafe")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,234.50 dollars", {"1234.5"}),
        ("12 percent and 12%", {"12%"}),
        ("three of 10", {"3", "10"}),
        ("$2.5 million", {"2.5e6"}),
        ("version v2", set()),
    ],
)
def test_numbers_have_one_spelling(text: str, expected: set[str]) -> None:
    assert numbers(text) == expected


def test_names_are_capitalised_words_inside_a_sentence() -> None:
    assert names("The team of Maria Santos met. Berlin waited.") == content_words("maria santos")


@pytest.mark.parametrize(
    ("text", "expected"), [("It is not paid", True), ("You can't go", True), ("It is paid", False)]
)
def test_negation_is_seen(text: str, expected: bool) -> None:
    assert negated(text) is expected


def test_coverage_is_a_share_of_the_words_that_matter() -> None:
    assert coverage("What is the carry over of annual leave?", "annual leave") == pytest.approx(2 / 3)
    assert coverage("the of and", "anything") == 1.0
