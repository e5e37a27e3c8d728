"""What `attest ingest` takes from the options before the command."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from app.cli import run as attest


@pytest.mark.parametrize(("options", "level"), [(["--verbose"], logging.DEBUG), ([], logging.INFO)])
def test_verbose_is_heard(options: list[str], level: int, docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTEST_HOME", str(docs.parent / "home"))
    assert attest([*options, "ingest", str(docs), "--dry-run", "--json"]) == 0
    assert logging.getLogger("ingest").level == level


def test_what_no_run_would_keep_in_step_is_not_taken_with_sync(
    docs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATTEST_HOME", str(docs.parent / "home"))
    assert attest(["ingest", "-", "--sync"]) == 2
    assert "--sync follows folders and object stores" in capsys.readouterr().err
