"""Sentences of list items and numbered clauses are quoted with what they lean on, and no more than is asked for."""

from pathlib import Path

import pytest

from core.settings import Settings, load_settings
from generation.generators import write_draft
from generation.quote import QuoteGenerator
from generation.verify import Verified, Verifier
from tests.generation.passages import evidence_of

CHANGES = """Changes to the house rules

- 1 February – A company cleans the stairwell; tenants no longer clean it. Cost: €6.50 per flat and month.
- 15 March – The office is closed on Fridays. Opening hours now: Monday to Thursday 9:00 to 12:00.
"""
RULES = """§ 2 Voting

(1) Each full member has one vote. Juniors and members who are in arrears may not vote.
(2) The general meeting has a quorum if a fifth of the full members are present.

§ 3 Committee

(1) The committee consists of the commodore, the secretary and the treasurer. They are elected for two years.
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path)


def answer(settings: Settings, question: str, text: str) -> Verified:
    evidence = evidence_of(text)
    draft = write_draft(QuoteGenerator(settings), question, evidence)
    return Verifier(settings).verify(question, draft, evidence)


@pytest.mark.parametrize(
    ("question", "text", "told"),
    [
        (
            "How much does cleaning the stairwell cost?",
            CHANGES,
            [
                "Changes to the house rules: 1 February – A company cleans the stairwell; tenants no longer clean it.",
                "Cost: €6.50 per flat and month.",
            ],
        ),
        (
            "What are the opening hours of the office?",
            CHANGES,
            [
                "Changes to the house rules: 15 March – The office is closed on Fridays.",
                "Opening hours now: Monday to Thursday 9:00 to 12:00.",
            ],
        ),
        (
            "For how long is the committee elected?",
            RULES,
            [
                "§ 3 Committee: The committee consists of the commodore, the secretary and the treasurer.",
                "They are elected for two years.",
            ],
        ),
    ],
)
def test_a_sentence_of_an_item_is_shown_after_the_one_it_leans_on(
    settings: Settings, question: str, text: str, told: list[str]
) -> None:
    done = answer(settings, question, text)
    assert [claim.text for claim in done.claims] == told
    assert all(claim.citations for claim in done.claims)


def test_a_clause_that_holds_all_that_is_asked_is_quoted_without_its_section(settings: Settings) -> None:
    done = answer(settings, "Who may not vote?", RULES)
    assert [claim.text for claim in done.claims] == ["§ 2 Voting: Juniors and members who are in arrears may not vote."]
