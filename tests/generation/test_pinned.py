"""Names and years of a question: what is said of another is not quoted."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.settings import load_settings
from generation.generators import write_draft
from generation.passages import passages_of
from generation.pinned import pinned_by, speaks_of
from generation.quote import QuoteGenerator
from tests.generation.passages import evidence_of

NETWORKS = """TRANSPAC was the national network of France. It opened in 1978.

DATAPAC was developed by Bell Northern Research, a joint venture of Bell Canada and Northern Telecom."""
OTHER = "Aristotelian physics held that heavy things fall faster. The System was taught long; a system of belief."


def spoken_of(question: str, *texts: str) -> list[str]:
    evidence = evidence_of(*texts)
    pins = pinned_by(question, evidence)
    return [passage.text for passage in passages_of(evidence) if speaks_of(pins, passage)]


def test_a_sentence_about_another_name_is_none_of_it() -> None:
    assert spoken_of("Who developed TRANSPAC?", NETWORKS) == [
        "TRANSPAC was the national network of France.",
        "It opened in 1978.",  # the piece before names it
    ]


def test_a_name_in_the_title_is_in_every_piece() -> None:
    assert len(spoken_of("What does the Page say?", NETWORKS)) == 3


def test_a_name_that_nothing_has_pins_nothing() -> None:
    assert pinned_by("How old is the Acme network?", evidence_of(NETWORKS)) == frozenset()


def test_other_forms_of_a_name_are_the_name_and_a_word_written_small_is_none() -> None:
    pins = pinned_by("What did the System of Aristotle hold?", evidence_of(OTHER))
    assert len(pins) == 1
    assert spoken_of("What did the System of Aristotle hold?", OTHER)


@pytest.mark.parametrize(("year", "found"), [("2024", 1), ("2026", 1), ("2031", 2)])
def test_years_pin_where_a_passage_has_them(year: str, found: int) -> None:
    texts = ("In 2024 the allowance was 20 euros.", "In 2026 the allowance is 35 euros.")
    assert len(spoken_of(f"What is the allowance in {year}?", *texts)) == found


def test_nothing_is_quoted_where_only_another_is_spoken_of(tmp_path: Path) -> None:
    quote = QuoteGenerator(load_settings(tmp_path))
    told = "DATAPAC was sold to the Bundespost by Northern Telecom. The weather was fine. TRANSPAC is French."
    assert "DATAPAC" not in write_draft(quote, "Who sold TRANSPAC to the Bundespost?", evidence_of(told)).text


@pytest.mark.parametrize(
    ("question", "beside", "told"),
    [
        (
            "How many days of leave did staff carry over in 2024?",
            "Staff carried over nine days of leave.",
            "In 2024 at most five days of leave went into the next year.",
        ),
        (
            "What did the Basel office pay for rent?",
            "The office paid 4,000 euros for rent.",
            "Basel: rent of the rooms 6,100 francs a month.",
        ),
    ],
)
def test_what_reads_better_and_is_of_another_does_not_hide_what_is_asked_for(
    tmp_path: Path, question: str, beside: str, told: str
) -> None:
    quote = QuoteGenerator(load_settings(tmp_path))
    assert write_draft(quote, question, evidence_of(beside, told)).text == f"{told} [2]"


def test_years_set_side_by_side_are_one_pin() -> None:
    texts = ("In FY2021 Acme bought a mill.", "In FY2023 Acme bought a boat.")
    assert len(spoken_of("What did Acme buy in FY2023, FY2022 and FY2021?", *texts)) == 2


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("BESTBUY_2024Q2_10Q.pdf", 1),
        ("BestBuy2024-report.pdf", 1),
        ("BESTBUY_2023Q2_10Q.pdf", 0),
        ("ADOBE_2024.pdf", 0),
    ],
)
def test_a_files_name_speaks_for_all_of_it(name: str, found: int) -> None:
    filed, other = evidence_of("Entertainment grew by 9%. Computing fell.", "In 2024 Best Buy did well, as Adobe did.")
    filed = replace(filed, hit=replace(filed.hit, source=name, title="Form 10-Q"))
    pins = pinned_by("Which Best Buy category grew most in 2024?", (filed, other))
    assert sum(speaks_of(pins, passage) for passage in passages_of((filed,))) == found
