from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.settings import load_settings
from generation.conflicts import disagrees
from generation.generators import write_draft
from generation.passages import passages_of
from generation.quote import QuoteGenerator
from generation.verify import Verifier
from tests.generation.passages import CONTACT, evidence_of

OLD = "Employees receive 12 weeks of paid parental leave after the birth of a child."
NEW = "Employees receive 16 weeks of paid parental leave after the birth of a child."


def test_the_same_with_another_number_disagrees_and_the_same_again_does_not() -> None:
    old, new, again, contact = (passages_of((item,))[0] for item in evidence_of(OLD, NEW, NEW, CONTACT))
    assert disagrees(old, new)
    assert not disagrees(new, again)
    assert not disagrees(old, contact)


def test_both_sides_of_a_disagreement_are_quoted_each_with_its_date(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    evidence = evidence_of(OLD, CONTACT, NEW)
    question = "How many weeks of paid parental leave do employees receive?"
    draft = write_draft(QuoteGenerator(settings), question, evidence)
    done = Verifier(settings).verify(question, draft, evidence)
    dates = {citation.document_id: (citation.updated_at or "")[:10] for citation in done.citations}
    assert dates == {"d1": "2026-01-01", "d3": "2026-01-03"}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Visitors may bring dogs into the lobby.", "Visitors may not bring dogs into the lobby.", True),
        ("Dogs are allowed in the lobby.", "Dogs are not allowed in the kitchen.", False),
        ("No restocking fee is charged.", "The restocking fee is 15 percent.", True),
        ("In 2026 the allowance for drivers is 120 euros.", "In 2026 the allowance for drivers is 90 euros.", True),
        ("In 2026 the allowance for drivers is 120 euros.", "The allowance for drivers is 120 euros.", False),
    ],
)
def test_a_denial_disagrees_and_a_year_that_both_give_says_nothing(one: str, other: str, expected: bool) -> None:
    first, second = passages_of(evidence_of(one, other))
    assert disagrees(first, second) is expected


def test_what_says_from_when_it_is_in_force_comes_first(tmp_path: Path) -> None:
    dated, leaflet = evidence_of(OLD, NEW)
    dated = replace(dated, hit=replace(dated.hit, effective_from=datetime(2025, 1, 1, tzinfo=UTC)))
    question = "How many weeks of paid parental leave do employees receive?"
    chosen = QuoteGenerator(load_settings(tmp_path)).choose(question, passages_of((dated, leaflet)))
    assert [passage.text for passage in chosen] == [OLD, NEW]
