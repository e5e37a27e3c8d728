import json
from pathlib import Path

import pytest

from tuning.soft_labels import mean_of, softened
from tuning.verifier_report import answers_of


def test_the_mean_is_of_probabilities_not_of_logits() -> None:
    assert mean_of([[0.0, 30.0], [30.0, 30.0]]) == pytest.approx([0.75, 1.0])


def test_where_the_teachers_disagree_with_a_row_its_spans_are_unknown() -> None:
    right = {"answerable": 1, "spans": [[0, 3]], "support": [[0, 9]]}
    none = {"answerable": 0, "spans": None, "support": None}
    rows = list(softened([right, right, none, none], [0.9, 0.1, 0.1, 0.9]))
    assert [row["soft"] for row in rows] == [0.9, 0.1, 0.1, 0.9]
    assert [row["spans"] for row in rows] == [[[0, 3]], None, [], None]


def test_an_answer_is_as_well_supported_as_its_worst_sentence(tmp_path: Path) -> None:
    lines = [("a", 1, 0.9), ("a", 1, 0.4), ("b", 0, 0.1)]
    text = [json.dumps({"id": i, "kind": "k", "label": label, "score": score}) for i, label, score in lines]
    (tmp_path / "scores.jsonl").write_text("\n".join(text), encoding="utf-8")
    answers = answers_of([tmp_path])
    assert list(answers.scores) == [0.4, 0.1]
    assert answers.report(0.3)["accuracy"] == 1.0
