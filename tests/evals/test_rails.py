"""`attest eval rails`: rows that can be judged, by the settings of the operator, and nothing counted unmeasured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import InvalidInput
from evals.cli import cli
from evals.rails import measure_rail_on

TEXTS = ("How much leave do I get?", "I hate these filthy people, they should all die.")


def written(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def measured(tmp_path: Path, name: str, *rows: object) -> dict[str, object]:
    return measure_rail_on(name, written(tmp_path / "rows.jsonl", *rows), None)


@pytest.mark.parametrize("value", ["false", "0", 2, 0.5, [], {}])
@pytest.mark.parametrize(
    ("rail", "field"), [("toxicity", "toxic"), ("prompt_injection", "attack"), ("domain", "in_domain")]
)
def test_a_label_is_true_or_false(tmp_path, rail, field, value):
    with pytest.raises(InvalidInput, match=rf"rows\.jsonl:2 has {field} .*true or false"):
        measured(tmp_path, rail, {"text": "x", field: True}, {"text": "x", field: value})


@pytest.mark.parametrize(
    ("rail", "row", "wrong"),
    [
        ("toxicity", {"toxic": True}, "has no 'text'"),
        ("toxicity", {"text": 5, "toxic": True}, "text that is no text"),
        ("indirect_injection", {"injected": True}, "has no 'context'"),
        ("groundedness", {"grounded": True, "answer": "x"}, "has no 'context'"),
        ("groundedness", {"grounded": "no", "answer": "x", "context": "y"}, "true or false"),
        ("domain", {"text": "x"}, "has no 'in_domain_for'"),
        ("domain", {"text": "x", "in_domain_for": "finance"}, "list"),
        ("pii", {"text": "x", "spans": None}, "list"),
        ("pii", {"text": "x", "spans": [{"start": 0, "end": "1", "type": "PERSON"}]}, "start, end and type"),
        ("pii", {"spans": []}, "has no 'text'"),
    ],
)
def test_a_row_that_cannot_be_judged_is_named(tmp_path, rail, row, wrong):
    with pytest.raises(InvalidInput, match=rf"rows\.jsonl:1 .*{wrong}"):
        measured(tmp_path, rail, row)


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_of_no_rows_is_refused(tmp_path, content):
    data = tmp_path / "rows.jsonl"
    data.write_text(content, encoding="utf-8")
    result = CliRunner().invoke(cli, ["rails", "--rail", "toxicity", "--data", str(data), "--json"])
    assert isinstance(result.exception, InvalidInput)
    assert "no rows" in str(result.exception)


def test_rows_without_a_label_are_left_out(tmp_path):
    rows = [{"text": TEXTS[0], "toxic": 0}, {"text": TEXTS[1], "toxic": 1}, {"text": TEXTS[0], "toxic": None}]
    figures = measured(tmp_path, "toxicity", *rows)
    assert (figures["rows"], figures["accuracy"]) == (2, 1.0)


@pytest.mark.parametrize(("key", "applies"), [("toxicity", True), ("input.toxicity", True), ("output.toxicity", False)])
def test_the_threshold_is_the_policys(tmp_path, monkeypatch, key, applies):
    monkeypatch.setenv("ATTEST_RAILS__POLICY", f'{{"{key}" = {{threshold = 0.0}}}}')
    rows = [{"text": text, "toxic": text == TEXTS[1]} for text in TEXTS]
    figures = measured(tmp_path, "toxicity", *rows)
    assert (figures["threshold"] == 0.0) is applies
    assert figures["false_positive_rate"] == (1.0 if applies else 0.0)


def test_a_domain_of_the_settings_is_measured_by_its_own_labels(tmp_path, monkeypatch):
    asked = ["How do I request leave?", "Who approves travel?", "How many days of leave do I get?"]
    monkeypatch.setenv("ATTEST_RAILS__DOMAIN_EXAMPLES", json.dumps(asked))
    away = "What is the tallest mountain of South America?"
    rows = [
        {"text": asked[0], "in_domain_for": ["hr"]},
        {"text": asked[1], "in_domain": True},
        {"text": away, "in_domain_for": []},
        {"text": away, "in_domain": False},
        {"text": away, "in_domain": None},
    ]
    figures = measured(tmp_path, "domain", *rows)
    assert (figures["rows"], figures["accuracy"]) == (4, 1.0)


def test_without_a_domain_of_its_own_the_packaged_one_is_measured(tmp_path):
    rows = [
        {"text": "What was the company's net sales in fiscal 2021?", "in_domain_for": ["finance"]},
        {"text": "How do I fold a paper crane?", "in_domain_for": ["origami"]},
    ]
    assert measured(tmp_path, "domain", *rows)["accuracy"] == 1.0
