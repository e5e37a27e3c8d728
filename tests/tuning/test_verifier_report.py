import json
from pathlib import Path

import pytest

from models.grounding import Blend
from tuning.verifier_report import Claims, answers_of, figures, fitted

EVIDENCE = "Leave is twelve weeks for every parent. It is paid in full by the company."


def _write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_an_answer_is_judged_by_all_its_sentences(tmp_path: Path) -> None:
    told = [("a", "Leave is twelve weeks.", 1), ("a", "It is paid.", 1), ("a#whole", "x", 1), ("b", "Dogs bark.", 0)]
    rows = [{"id": name, "a": text, "b": EVIDENCE, "label": label, "kind": "k"} for name, text, label in told]
    judged = _write(tmp_path / "judge.jsonl", rows)
    scores = [{"id": name, "kind": "k", "score": score} for name, score in (("a", 0.9), ("a", 0.5), ("a#whole", 0.1))]
    _write(tmp_path / "scores.jsonl", [*scores, {"id": "b", "kind": "k", "score": 0.1}])
    first, second = answers_of([tmp_path], judged)
    assert (first.scores, first.held) == ([0.9, 0.5], [1.0, 1.0])
    assert first.support(Blend()) == pytest.approx(0.75, abs=1e-3)
    assert (second.held, second.label) == ([0.0], 0.0)
    assert figures([first, second], Blend(), 0.3)["accuracy"] == 1.0


def test_words_count_where_they_tell_what_the_adapter_does_not() -> None:
    answers = [Claims([0.5 + 0.01 * (n % 3)], [held], held, "k") for n in range(20) for held in (0.0, 1.0)]
    blend, threshold = fitted(answers)
    assert blend.held > 0
    assert blend.support(0.5, 1.0) > threshold > blend.support(0.5, 0.0)
