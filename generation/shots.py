"""Worked examples for a prompt: of a curated set, those whose questions are most like the one asked.

The set is JSON Lines of question, passages (title, text) and target (the reply wanted, with its marker, or the
refusal): the rows of `attest tune data`, read over by a person. Answers and refusals take turns, since a model that
sees answers only forgets to refuse.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from core.errors import InvalidInput
from core.settings import EmbedderSettings
from generation.brief import Shot, Shown
from generation.evidence import estimate_tokens
from generation.prompts import NOT_FOUND
from models.pooled import Vectors

Encode = Callable[[Sequence[str]], Vectors]


class ShotBook:
    """A curated set of worked examples, searchable by the likeness of their questions."""

    def __init__(self, shots: Sequence[Shot], encode: Encode) -> None:
        self.shots = tuple(shots)
        self._encode = encode
        self._vectors = encode([shot.question for shot in self.shots])

    def choose(self, question: str, count: int, budget_tokens: int) -> list[Shot]:
        """Return up to `count` examples within the budget, the most like the question last, nearest to it."""
        if not count or not self.shots or budget_tokens <= 0:
            return []
        likeness = self._vectors @ self._encode([question])[0]
        ranked = [self.shots[place] for place in np.argsort(-likeness, kind="stable")]
        chosen: list[Shot] = []
        for shot in _in_turns(ranked):
            cost = cost_of(shot)
            if cost <= budget_tokens:
                chosen.append(shot)
                budget_tokens -= cost
            if len(chosen) == count:
                break
        return chosen[::-1]


def cost_of(shot: Shot) -> int:
    """Return the tokens an example takes, erring on the high side."""
    texts = [shot.question, shot.question, shot.reply, *(f"{shown.title} {shown.text}" for shown in shot.passages)]
    return sum(estimate_tokens(text) for text in texts) + 40 * (1 + len(shot.passages))


def _in_turns(ranked: Sequence[Shot]) -> list[Shot]:
    """Return the examples with answers and refusals in turns, beginning with the kind of the most alike."""
    kinds = [[shot for shot in ranked if (NOT_FOUND in shot.reply) is refusal] for refusal in (False, True)]
    if ranked and NOT_FOUND in ranked[0].reply:
        kinds.reverse()
    turns = [shot for pair in zip(*kinds, strict=False) for shot in pair]
    shorter = min(len(kind) for kind in kinds)
    return [*turns, *kinds[0][shorter:], *kinds[1][shorter:]]


def read_shots(path: Path) -> list[Shot]:
    """Read a curated set.

    Raises:
        InvalidInput: the file cannot be read or a row lacks a part.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [
            Shot(row["question"], tuple(Shown(item["title"], item["text"]) for item in row["passages"]), row["target"])
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{path} is no set of worked examples (question, passages, target): {error}") from error


@cache
def load_shots(path: Path, embedder: EmbedderSettings) -> ShotBook:
    """Return the set of a file, embedded once a process."""
    from models.encoder import load_encoder

    encoder = load_encoder(embedder)
    return ShotBook(read_shots(path), lambda texts: encoder.encode(texts, "query"))
