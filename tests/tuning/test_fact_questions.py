"""Lone facts: a question is answered in a fact's words, or only looks as if."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from core.words import content_words, coverage
from tuning.fact_questions import FILES, make_fact_rows

FILE = """= Staff have 28 days of annual leave.
+ how much holiday do I get | 28 days
- How much sick leave do I get?
"""


def test_what_answers_is_pointed_at_and_the_rest_is_not(tmp_path: Path) -> None:
    path = tmp_path / "facts.txt"
    path.write_text(FILE, encoding="utf-8")
    right, wrong = make_fact_rows([path])
    assert right["context"][slice(*right["spans"][0])] == "28 days"
    assert (right["answerable"], wrong["answerable"]) == (1, 0)
    assert wrong["spans"] == []
    assert right["group"] == wrong["group"]


def test_words_that_the_fact_has_not_are_told(tmp_path: Path) -> None:
    path = tmp_path / "facts.txt"
    path.write_text(FILE.replace("| 28", "| 30"), encoding="utf-8")
    with pytest.raises(ValueError, match="line 2"):
        list(make_fact_rows([path]))


def test_what_is_kept_reads_and_half_has_no_answer() -> None:
    kinds = Counter(row["answerable"] for row in make_fact_rows(FILES))
    assert 0.4 < kinds[0] / kinds.total() < 0.65


def test_shared_words_do_not_tell_what_is_answered() -> None:
    """Where people ask in the fact's own words, both kinds are about as frequent."""
    shared = {1: [], 0: []}  # type: dict[int, list[float]]
    for row in make_fact_rows(FILES):
        shared[row["answerable"]].append(coverage(content_words(row["question"]), content_words(row["context"])))
    means = [sum(shares) / len(shares) for shares in shared.values()]
    assert abs(means[0] - means[1]) < 0.15
