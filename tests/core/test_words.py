import pytest

from core.words import content_words, coverage, names, negated


def test_words_meet_across_endings_and_accents() -> None:
    assert content_words("accrued leaves") == content_words("accrues leave")
    assert content_words("café") == content_words("cafe")


def test_a_footnote_is_no_part_of_a_word_or_number() -> None:
    assert content_words("25¹ euros within 30 days²") == content_words("25 euros within 30 days")
    assert content_words("20 m² of CO₂") == content_words("20 m2 of CO2")


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
