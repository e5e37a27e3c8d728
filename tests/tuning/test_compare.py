import json

import numpy as np
import pytest

from core.errors import InvalidInput
from tests.tuning.tiny_model import save_tiny_model
from tuning.compare import compare_reports, difference, run_all, scores_of, write_report
from tuning.judge import Variant, judge, summarize


def report_of(name, replies, *, shots=0, virtual=None):
    judged = []
    for number, reply in enumerate(replies):
        able = number % 2 == 0
        row = {"id": str(number), "answerable": able, "answers": ["240 hours"], "marker": 1, "kind": "tempting"}
        judged.append(judge(row, reply))
    plain = [
        {"id": j.id, "kind": j.kind, "refused": j.refused, "token_f1": j.token_f1, "marker": j.marker} for j in judged
    ]
    variant = {"name": name, "prompt": "brief", "shots": shots, "virtual": virtual, "adapter": None}
    trained = 64 if virtual else 0
    return {"variant": variant, "summary": summarize(judged), "judged": plain, "trained_parameters": trained}


GOOD = ["240 hours [1]", "NOT_IN_DOCUMENTS"] * 20
POOR = ["minutes [2]", "240 hours [1]"] * 20


def test_a_clear_difference_has_an_interval_away_from_nothing():
    seen, low, high = difference(scores_of(report_of("a", GOOD)), scores_of(report_of("b", POOR)), "token_f1")
    assert (seen, low, high) == (1.0, 1.0, 1.0)
    half = ["240 hours [1]", "NOT_IN_DOCUMENTS", "minutes [2]", "240 [1]"] * 10
    seen, low, high = difference(scores_of(report_of("a", GOOD)), scores_of(report_of("b", half)), "balanced_refusal")
    assert 0 < low < seen == 0.25 < high


def test_a_variant_is_not_ahead_of_itself():
    scores = scores_of(report_of("a", GOOD))
    assert difference(scores, scores, "marker") == (0.0, 0.0, 0.0)


def test_the_marker_is_judged_where_a_row_was_answered():
    mixed = scores_of(report_of("a", ["240 hours [1]", "NOT_IN_DOCUMENTS", "NOT_IN_DOCUMENTS", "x [1]"] * 5))
    every = (np.arange(len(mixed.f1)), np.arange(len(mixed.refused)))
    assert mixed.metric("marker", *every) == 1.0
    assert mixed.metric("balanced_refusal", *every) == 0.5


def test_other_questions_cannot_be_compared():
    with pytest.raises(InvalidInput, match="same questions"):
        difference(scores_of(report_of("a", GOOD)), scores_of(report_of("b", GOOD[:10])), "marker")


def test_the_report_names_the_bases_and_draws_curves(tmp_path):
    reports = [
        report_of("zero-shot", POOR),
        report_of("few-shot", POOR, shots=2),
        report_of("p-tuned@100", POOR, virtual="x"),
        report_of("p-tuned@300", GOOD, virtual="x"),
    ]
    made = compare_reports(reports)
    assert made["bases"] == ["zero-shot", "few-shot"]
    text = write_report(made, tmp_path, title="Comparison", notes=["40 rows"]).read_text()
    assert "| p-tuned@300 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 64 | – |" in text
    assert "+1.000 (+1.000 to +1.000)" in text
    assert {file.name for file in tmp_path.glob("*.svg")} == {"variants.svg", "learning-curve.svg"}


def test_a_judged_variant_is_not_judged_again(tmp_path):
    model = save_tiny_model(tmp_path / "model")
    rows = [
        {"id": str(n), "answerable": n == 0, "answers": ["hill"], "marker": 1, "kind": "tempting"}
        | {"messages": [{"role": "user", "content": "where"}]}
        for n in range(2)
    ]
    said = []
    for _ in range(2):
        reports = run_all(model, [Variant("zero-shot")], rows, tmp_path / "out", said.append)
    assert len(said) == 1
    assert json.loads(said[0].split(": ", 1)[1])["rows"] == reports[0]["summary"]["rows"] == 2
