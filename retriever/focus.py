"""When a question names a document, its passages come first; when a search leads into one, all of it is looked at.

The words that name a document stand in most of its passages, and a passage full of figures holds few words of the
question: among the passages of one document, meaning tells more than words. See `docs/results/retrieval.md`.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from retriever.candidates import Candidates, dense_scores, lexical_scores, ranked
from retriever.fusion import fuse
from retriever.lexical import LexicalIndex, Words
from retriever.vectors import Rows, Vectors, VectorView

NAME_WEIGHT = 0.3
"""What a document's name adds at most, beside 1 for the best passage."""
RARE_NAME = 2.0
"""Rarity of a name that one passage in seven has; more common ones tell nothing."""
LONG = 10
"""Passages from which a document is long."""
AMONG = 30
"""Candidates looked at."""
SHARE = 0.4
"""The part of them that one document holds from which the question is taken to be about it."""
DENSE_WEIGHT = 0.7
"""The weight of the cosine among the passages of that document, at least."""


def focus(
    found: Candidates, view: VectorView, query: Vectors, lexical: LexicalIndex, asked: Words, dense_weight: float
) -> Candidates:
    """Return the candidates ranked again: by the names of their documents, and with all passages of one that leads."""
    found = with_names(found, view, lexical, asked)
    version = leading_version(view, found)
    if version is None:
        return found
    own = np.flatnonzero((view.versions == version) & view.alive)
    ids = np.union1d(found.ids, view.ids[own])
    rows = view.positions(ids)
    dense = dense_scores(view, rows, query)
    words = lexical_scores(lexical, ids, asked)
    floor = float(view.centroid @ query)
    inside = fuse(dense, words, floor=floor, dense_weight=max(dense_weight, DENSE_WEIGHT))
    outside = fuse(dense, words, floor=floor, dense_weight=dense_weight)
    fused = np.where(np.isin(rows, own), inside, outside)
    return with_names(ranked(ids, rows, dense, words, fused), view, lexical, asked)


def with_names(found: Candidates, view: VectorView, lexical: LexicalIndex, asked: Words) -> Candidates:
    """Return candidates with a bonus for passages of long documents that the question names; still at most 1.

    The name of a short document is part of what it says, and counts as such already.
    """
    long = found.ids[of_long_documents(found.rows, view)]
    if not len(long):
        return found
    names = lexical.score_names(asked, long.tolist())
    best = max(names.values(), default=0.0)
    if best < RARE_NAME:
        return found
    bonus = np.array([names.get(chunk_id, 0.0) for chunk_id in found.ids.tolist()], dtype=np.float32) / best
    fused = ((found.fused + NAME_WEIGHT * bonus) / (1 + NAME_WEIGHT)).astype(np.float32)
    return ranked(found.ids, found.rows, found.dense, found.lexical, fused)


def of_long_documents(rows: Rows, view: VectorView) -> NDArray[np.bool_]:
    """Return for each chunk whether its version has many; they lie side by side, as they were committed."""
    near = rows[:, None] + np.arange(1 - LONG, LONG)
    inside = (near >= 0) & (near < len(view.versions)) & (rows >= 0)[:, None]
    same = view.versions[np.where(inside, near, 0)] == view.versions[np.maximum(rows, 0)][:, None]
    enough: NDArray[np.bool_] = (same & inside).sum(axis=1) >= LONG
    return enough


def leading_version(view: VectorView, found: Candidates) -> int | None:
    """Return the version that holds a good part of the best candidates, `None` where none does."""
    rows = found.rows[:AMONG]
    counted = Counter(view.versions[rows[rows >= 0]].tolist()).most_common(1)
    return counted[0][0] if counted and counted[0][1] >= SHARE * AMONG else None
