"""Whoever reads an object from standard output finds one when the command line is wrong, too."""

from __future__ import annotations

import json

import pytest

from app.cli import run


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["search", "", "--json"], "no word"),
        (["search", "--json"], "query"),
        (["search", "x", "--mode", "psychic", "--json"], "--mode"),
        (["search", "x", "--nonsense", "--json"], "--nonsense"),
        (["documents", "show", "--json"], "ID"),
        (["documents", "nonsense", "--json"], "nonsense"),
        (["ask", "--json"], "question"),
        (["foo", "--json"], "foo"),
        (["--nonsense", "search", "x", "--json"], "--nonsense"),
        (["--config", "/nowhere/attest.toml", "search", "x", "--json"], "/nowhere/attest.toml"),
    ],
)
def test_wrong_usage_prints_one_object(capsys: pytest.CaptureFixture[str], arguments: list[str], named: str) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    error = json.loads(shown.out)["error"]
    assert error["kind"] == "Usage"
    assert named.lower() in error["message"].lower()
    assert shown.err  # a person is told too


@pytest.mark.parametrize("arguments", [["search", ""], ["foo"], ["documents", "show"]])
def test_without_json_nothing_is_printed_but_to_standard_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr().out == ""


def test_help_is_no_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "--help", "--json"]) == 0
    assert "error" not in capsys.readouterr().out
