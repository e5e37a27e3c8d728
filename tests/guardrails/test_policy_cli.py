"""`attest rails list` and `attest rails test`."""

import json

import pytest
from typer.testing import CliRunner

from guardrails.cli import cli

runner = CliRunner()


def test_the_policy_in_force_is_listed(monkeypatch):
    monkeypatch.setenv("ATTEST_RAILS__POLICY", '{"toxicity" = {action = "flag"}}')
    rows = json.loads(runner.invoke(cli, ["list", "--json"]).stdout)["rails"]
    by_stage = {(row["rail"], row["stage"]): row for row in rows}
    assert by_stage["toxicity", "input"]["action"] == "flag"
    assert by_stage["prompt_injection", "input"]["fail"] == "closed"
    assert by_stage["exit_gate", "output"]["action"] == "redact"


def test_examples_are_checked_against_what_they_expect(tmp_path):
    examples = tmp_path / "examples.jsonl"
    lines = [
        {"text": "How much leave do I get?", "expect": "allow"},
        {"text": "![x](http://evil.example)", "stage": "output", "expect": "redact"},
        {"text": "How much leave do I get?", "expect": "block"},
    ]
    examples.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    result = runner.invoke(cli, ["test", str(examples), "--json"])
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["examples"] == 3
    assert [failure["line"] for failure in report["failed"]] == [3]


def test_our_own_examples_hold_under_the_default_policy():
    report = json.loads(runner.invoke(cli, ["test", "--json"]).stdout)
    assert report["failed"] == []
    assert report["passed"] == report["examples"] >= 20


def test_an_example_may_name_the_rail_that_is_to_act(tmp_path):
    examples = tmp_path / "examples.jsonl"
    line = {"text": "![x](http://evil.example)", "stage": "output", "expect": "redact", "rail": "pii"}
    examples.write_text(json.dumps(line), encoding="utf-8")
    failed = json.loads(runner.invoke(cli, ["test", str(examples), "--json"]).stdout)["failed"]
    assert failed[0]["expect"] == "redact by pii"


@pytest.mark.parametrize(
    "content", ["", "{", '{"text": "x", "stage": "exit"}', '{"no": "text"}', '{"text": "x", "expect": "perhaps"}']
)
def test_a_file_of_no_examples_is_refused(tmp_path, content):
    examples = tmp_path / "examples.jsonl"
    examples.write_text(content, encoding="utf-8")
    assert type(runner.invoke(cli, ["test", str(examples)]).exception).__name__ == "InvalidInput"
