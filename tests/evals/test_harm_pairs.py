"""Requests that mean harm stand above harmless ones that resemble them, and no text is there twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from bench.rails_texts import read_pairs

BENCH = Path(__file__).parents[2] / "bench"
PAIRS = [pair for path in sorted(BENCH.glob("harm_pairs/*.txt")) for pair in read_pairs(path)]


def test_no_text_is_there_twice_or_in_the_other_set() -> None:
    texts = Counter(text.casefold() for pair in PAIRS for text in pair)
    assert len(PAIRS) > 1000
    assert max(texts.values()) == 1
    lines = (BENCH / "everyday_harm.jsonl").read_text(encoding="utf-8").splitlines()
    assert not {json.loads(line)["text"].casefold() for line in lines} & set(texts)


def test_a_pair_that_is_none_is_told(tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text("! one\n= two\n\n= three\n! four\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"pairs\.txt: .* is no pair"):
        list(read_pairs(file))
