"""When a search leads into one document: all its passages are looked at, and compared among themselves.

The words that name a document stand in most of its passages, and a passage full of figures holds few words of the
question: among the passages of one document, meaning tells more than words. See `docs/results/retrieval.md`.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from retriever.candidates import Candidates, dense_scores, lexical_scores, ranked
from retriever.fusion import fuse
from retriever.lexical import LexicalIndex, Words
from retriever.vectors import Vectors, VectorView

AMONG = 30
"""Candidates looked at."""
SHARE = 0.4
"""The part of them that one document holds from which the question is taken to be about it."""
DENSE_WEIGHT = 0.7
"""The weight of the cosine among the passages of that document, at least."""


def focus(
    found: Candidates, view: VectorView, query: Vectors, lexical: LexicalIndex, asked: Words, dense_weight: float
) -> Candidates:
    """Return the candidates with all passages of the version that leads them, where one does, ranked again."""
    version = leading_version(view, found)
    if version is None:
        return found
    own = view.ids[np.flatnonzero((view.versions == version) & view.alive)]
    ids = np.union1d(found.ids, own)
    dense = dense_scores(view, ids, query)
    words = lexical_scores(lexical, ids, asked)
    floor = float(view.centroid @ query)
    inside = fuse(dense, words, floor=floor, dense_weight=max(dense_weight, DENSE_WEIGHT))
    outside = fuse(dense, words, floor=floor, dense_weight=dense_weight)
    return ranked(ids, dense, words, np.where(np.isin(ids, own), inside, outside))


def leading_version(view: VectorView, found: Candidates) -> int | None:
    """Return the version that holds a good part of the best candidates, `None` where none does."""
    rows = view.positions(found.ids[:AMONG])
    counted = Counter(view.versions[rows[rows >= 0]].tolist()).most_common(1)
    return counted[0][0] if counted and counted[0][1] >= SHARE * AMONG else None
