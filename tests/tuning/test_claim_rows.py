"""Claims for the second reader: a sentence stands beside its document, and groups are held out whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tuning import claim_rows
from tuning.claim_rows import statements
from tuning.passages_data import Labelled, Passage, held_out


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


def test_what_the_readers_are_measured_on_is_no_claim_to_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [f"article {number}" for number in range(200)]
    built = [{"a": "It rains.", "b": "Rain.", "label": 1, "kind": "question", "group": group} for group in groups]
    asked = [
        Labelled("What falls?", Passage("", "Rain.", group), True, "articles", answers=("Rain",)) for group in groups
    ]
    monkeypatch.setattr(claim_rows, "training_rows", lambda _data, _chance: built)
    monkeypatch.setattr(claim_rows, "read_article_questions", lambda _data: asked)
    rows = list(claim_rows._train(tmp_path, random.Random(1)))
    learnt = {row["group"] for row in rows if row["source"] in ("question", "written")}
    assert learnt
    assert learnt == {group for group in groups if not held_out(group)}
    assert not any(held_out(row["group"]) for row in rows if row["source"] == "statement")


def test_evidence_is_cut_to_several_lengths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = {"answer": "It rains.", "context": "It rains much here. " * 100, "grounded": True, "source": "report"}
    monkeypatch.setattr(claim_rows, "training_rows", lambda _data, _chance: [])
    monkeypatch.setattr(claim_rows, "read_article_questions", lambda _data: [])
    monkeypatch.setattr(claim_rows, "statements", list)
    monkeypatch.setattr(claim_rows, "labelled", lambda: [report | {"group": "a"}] * 20)
    lengths = [len(row["context"]) for row in claim_rows._train(tmp_path, random.Random(1))]
    assert len(lengths) == 20 * claim_rows.TIMES
    assert min(lengths) <= min(claim_rows.LENGTHS) < max(lengths) <= max(claim_rows.LENGTHS)
