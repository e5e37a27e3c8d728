from pathlib import Path

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
