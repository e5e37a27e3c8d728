"""Rows of the reader's training data as token targets and batches."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.reading import Encoded, encode_pairs

Item = TypeVar("Item")
POOL = 16
"""Batches whose rows are sorted together by length."""


@dataclass(frozen=True, slots=True)
class Example:
    """A row with its token targets; `None` where a target is unknown."""

    row: Mapping[str, Any]
    encoded: Encoded
    starts: list[int] | None
    ends: list[int] | None
    support: list[int] | None
    """Positions of supporting tokens."""


def heard(row: Mapping[str, Any]) -> str:
    """Return the question of a row as a second reader is shown it: a follow-up after what it leans on."""
    return str(row.get("heard", row["question"]))


def read_examples(path: Path, tokenizer: Tokenizer) -> list[Example]:
    """Read and tokenise rows; an answer that was cut off with the passage's end makes its spans unknown."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    encoded = encode_pairs(tokenizer, [(row["question"], row["context"]) for row in rows])
    return [_example(row, pair) for row, pair in zip(rows, encoded, strict=True)]


def _example(row: Mapping[str, Any], encoded: Encoded) -> Example:
    starts: list[int] | None = []
    ends: list[int] | None = []
    for span in row["spans"] or ():
        inside = _tokens(encoded, span)
        if inside and starts is not None and ends is not None:
            starts.append(inside[0])
            ends.append(inside[-1])
    if row["spans"] is None or (row["spans"] and not starts):
        starts = ends = None
    support = None if row["support"] is None else [t for span in row["support"] for t in _tokens(encoded, span)]
    return Example(row, encoded, starts, ends, support)


def _tokens(encoded: Encoded, span: Sequence[int]) -> list[int]:
    start, end = span
    return [encoded.first + i for i, (a, b) in enumerate(encoded.offsets) if a < end and b > start]


def targets(batch: Sequence[Example], width: int) -> tuple[Tensor, ...]:
    """Return passage mask, right starts, right ends, supporting tokens, and which rows know span and support."""
    inside, opens, closes = (torch.zeros((len(batch), width), dtype=torch.bool) for _ in range(3))
    support = torch.zeros((len(batch), width))
    for row, example in enumerate(batch):
        inside[row, example.encoded.first : example.encoded.length - 1] = True
        opens[row, example.starts or [0]] = True
        closes[row, example.ends or [0]] = True
        support[row, example.support or []] = 1.0
    known_span = torch.tensor([float(example.starts is not None) for example in batch])
    known_support = torch.tensor([float(example.support is not None) for example in batch])
    return inside, opens, closes, support, known_span, known_support


def near_lengths(
    items: Sequence[Item], size: int, shuffle: random.Random, length: Callable[[Item], int]
) -> Iterator[list[Item]]:
    """Yield batches of near lengths in random order, which pad little."""
    order = shuffle.sample(list(items), len(items))
    for pool in range(0, len(order), size * POOL):
        near = sorted(order[pool : pool + size * POOL], key=length)
        cuts = [near[begin : begin + size] for begin in range(0, len(near), size)]
        shuffle.shuffle(cuts)
        yield from cuts
