"""The reports that claims are judged against: as many right as wrong, and no wrong one stands in its report."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench.report_claims import FOLDER
from tuning.report_claims import labelled


def test_right_and_wrong_sentences_are_of_a_number() -> None:
    rows = [*labelled(), *labelled(FOLDER)]
    counts = Counter((row["source"], row["grounded"]) for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["group"] for row in rows}) > 800
    for source in ("report", "report-near"):
        assert 0.9 < counts[source, True] / counts[source, False] < 1.1


def test_a_wrong_sentence_that_stands_in_the_report_is_told(tmp_path: Path) -> None:
    lines = (
        'title = "A"',
        'text = "It rained."',
        "true = []",
        'false = ["It rained."]',
        "near_true = []",
        "near_false = []",
    )
    (tmp_path / "one.toml").write_text("\n".join(("[[report]]", *lines)))
    with pytest.raises(ValueError, match="wrong, yet in the report"):
        list(labelled(tmp_path))
