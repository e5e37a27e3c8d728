"""The passages and sentences that say most of what a set of documents says: central ones, none twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CENTRAL = 0.5
"""Weight of being typical against being new (maximal marginal relevance); at 0.7 exact repeats came back."""
LEAD = 0.15
"""Bonus of what opens a document: titles and first paragraphs say what the rest is about."""


def spread(vectors: NDArray[np.float32], leads: Sequence[bool], count: int) -> list[int]:
    """Return up to `count` rows of unit vectors, typical of all and unlike each other, in their own order."""
    if len(vectors) <= count:
        return list(range(len(vectors)))
    centre = vectors.mean(axis=0)
    typical = vectors @ (centre / max(float(np.linalg.norm(centre)), 1e-9)) + LEAD * np.asarray(leads, np.float32)
    chosen: list[int] = []
    nearest = np.zeros(len(vectors), np.float32)
    left = np.ones(len(vectors), bool)
    for _ in range(count):
        worth = np.where(left, CENTRAL * typical - (1 - CENTRAL) * nearest, -np.inf)
        best = int(np.argmax(worth))
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return sorted(chosen)
