from pathlib import Path

from core.settings import load_settings
from core.types import Retrieval
from generation.evidence import select_evidence
from tests.generation.passages import evidence_of


def test_the_best_passages_that_fit_are_chosen_in_a_stable_order(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    hits = [item.hit for item in evidence_of("z " * 200, "y " * 200, "x " * 200)]
    forward = select_evidence(Retrieval(tuple(hits), {}, 1), settings)
    backward = select_evidence(Retrieval(tuple(reversed(hits)), {}, 1), settings)
    assert [item.hit.source for item in forward] == ["1.md", "2.md", "3.md"] == [item.hit.source for item in backward]
    assert [item.marker for item in forward] == [1, 2, 3]


def test_the_budget_leaves_the_worst_out(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    small = settings.model_copy(update={"generation": settings.generation.model_copy(update={"context_tokens": 1100})})
    hits = tuple(item.hit for item in evidence_of("z " * 300, "y " * 300, "x " * 300))
    chosen = select_evidence(Retrieval(hits, {}, 1), small)
    assert [item.hit.source for item in chosen] == ["1.md"]
