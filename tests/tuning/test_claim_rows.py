"""Claims for the second reader: a sentence stands beside its document, and groups are held out whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuning import claim_rows
from tuning.claim_rows import statements
from tuning.passages_data import held_out


def test_sentences_stand_beside_their_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "mill.txt").write_text("# Leave\nStaff have 28 days.\n\n?- Who says so?\n", encoding="utf-8")
    monkeypatch.setattr(claim_rows, "ORGANISATIONS", [tmp_path / "docs" / "mill.txt"])
    (tmp_path / "mill.txt").write_text("# Leave\n= They have 28 days.\n! They have 30.\n", encoding="utf-8")
    right, wrong = statements(tmp_path)
    assert (right["grounded"], wrong["grounded"]) == (True, False)
    assert right["context"] == wrong["context"] == "Leave\nStaff have 28 days."
    (tmp_path / "mill.txt").write_text("# Sick leave\n= They have 28 days.\n", encoding="utf-8")
    with pytest.raises(ValueError, match="of no document"):
        list(statements(tmp_path))


def test_as_many_right_as_wrong_are_kept_and_some_organisations_are_held_out() -> None:
    rows = list(statements())
    right = sum(row["grounded"] for row in rows) / len(rows)
    assert 0.45 < right < 0.55
    assert 0 < len({row["group"] for row in rows if held_out(row["group"])}) < len({row["group"] for row in rows}) / 2
