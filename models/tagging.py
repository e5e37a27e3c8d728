"""From a label for each token to labelled spans of characters. Plain Python, shared by training and serving."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

OUTSIDE = "O"


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """`text[start:end]` is of this type, with the highest probability of its tokens."""

    start: int
    end: int
    label: str
    score: float


def spans_of(
    text: str,
    offsets: Sequence[tuple[int, int]],
    probabilities: Sequence[Sequence[float]],
    labels: Sequence[str],
    threshold: float,
) -> list[TaggedSpan]:
    """Join tokens into spans; `labels[0]` is `O`, probabilities have shape (tokens, labels).

    A word takes the label of its likeliest piece, so that no span ends inside a word; neighbours of one
    label join across spaces.
    """
    spans: list[TaggedSpan] = []
    for start, end, pieces in _words(text, offsets):
        rows = [probabilities[piece] for piece in pieces]
        row = max(rows, key=lambda values: 1.0 - values[0])
        score = 1.0 - row[0]
        if score < threshold:
            continue
        label = labels[1 + max(range(len(labels) - 1), key=lambda i: row[1 + i])]
        last = spans[-1] if spans else None
        if last is not None and last.label == label and not text[last.end : start].strip():
            spans[-1] = TaggedSpan(last.start, end, label, max(score, last.score))
        else:
            spans.append(TaggedSpan(start, end, label, score))
    return [span for span in (_trimmed(text, span) for span in spans) if span is not None]


RUN = 10
"""Tokens in a row: a short order at the end of a long line without points must not be averaged away."""


def peaks_within(
    spans: Sequence[tuple[int, int]], offsets: Sequence[tuple[int, int]], values: Sequence[float]
) -> list[float]:
    """Return the highest mean of ten tokens in a row (of all, where there are fewer) in each span; 0 without tokens."""
    inside: list[list[float]] = [[] for _ in spans]
    for (start, end), value in zip(offsets, values, strict=True):
        position = bisect_right(spans, (start, math.inf)) - 1
        if end > start and position >= 0 and start < spans[position][1]:
            inside[position].append(value)
    return [_peak(found) for found in inside]


def _peak(values: Sequence[float]) -> float:
    width = min(RUN, len(values))
    runs = (values[start : start + width] for start in range(len(values) - width + 1))
    return max((sum(run) / width for run in runs if run), default=0.0)


def _words(text: str, offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int, list[int]]]:
    """Group token positions into words: pieces that touch and are all letters or digits."""
    words: list[tuple[int, int, list[int]]] = []
    for position, (start, end) in enumerate(offsets):
        if end <= start:
            continue
        joins = words and words[-1][1] == start and text[start - 1].isalnum() and text[start].isalnum()
        if joins:
            words[-1] = (words[-1][0], end, [*words[-1][2], position])
        else:
            words.append((start, end, [position]))
    return words


def _trimmed(text: str, span: TaggedSpan) -> TaggedSpan | None:
    """Drop punctuation and spaces at the edges, and spans that are nothing else."""
    start, end = span.start, span.end
    while start < end and text[start] in " \t\n,;:!?\"'()[]{}":
        start += 1
    while end > start and text[end - 1] in " \t\n,;:!?\"'()[]{}":
        end -= 1
    if not any(character.isalnum() for character in text[start:end]):
        return None
    return TaggedSpan(start, end, span.label, span.score)
