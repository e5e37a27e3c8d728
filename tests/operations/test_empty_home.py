"""A question to a home without documents says which home that is; one to a home with documents does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app import empty
from app.cli import run
from core.db.session import Database
from core.settings import load_settings
from tests.operations.seeding import Seed, plant


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "mine"))
    monkeypatch.setenv("ATTEST_RAILS__ENABLED", "false")
    monkeypatch.setattr(empty, "DEMO_HOME", tmp_path / "demo")


@pytest.mark.parametrize("command", ["ask", "search"])
def test_an_empty_home_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str) -> None:
    assert run([command, "How long is parental leave?", "--json"]) == 0
    shown = capsys.readouterr()
    json.loads(shown.out)
    assert f"{tmp_path / 'mine'} holds no document" in shown.err
    assert "attest ingest PATH" in shown.err
    assert "demo" not in shown.err


def test_the_demos_home_is_named_where_there_is_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Database.open(load_settings(tmp_path / "demo")).close()
    assert run(["search", "How long is parental leave?"]) == 0
    assert f"ATTEST_HOME={tmp_path / 'demo'}" in capsys.readouterr().err


def test_a_home_with_documents_is_not_called_empty(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "mine")
    database = Database.open(settings)
    plant(database, settings, Seed("a", "alpha"))
    empty.note_where_empty(database, settings)
    database.close()
    assert capsys.readouterr().err == ""
