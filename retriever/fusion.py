"""One ranking out of two: each side's scores brought to a common scale, then a weighted sum.

A cosine counts from what an average passage of the index would get (0) to the best of this query (1); a BM25 score
from nothing (0) to the best (1). Both scales stay the same however many candidates are asked for, unlike a range
taken from the candidates, and unlike ranks they keep how far ahead a passage is. `docs/results/retrieval.md` has the
comparison with reciprocal ranks and min-max.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
NARROWEST = 1e-6
"""A range below this is no range: every candidate is as good as the best."""
NARROWEST_COSINE = 0.05
"""Where filters leave nothing near the question, its best is hardly above an average passage, or below it."""


def fuse(dense: Floats, lexical: Floats, *, floor: float, dense_weight: float) -> Floats:
    """Return fused scores of candidates from their cosine and BM25 scores, all shape (n,), at most 1.

    `floor` is the cosine of an average passage with the query. NaN, a side that did not score, counts as its zero.
    """
    fused = dense_weight * _scaled(dense, floor, NARROWEST_COSINE) + (1 - dense_weight) * _scaled(
        lexical, 0.0, NARROWEST
    )
    return fused.astype(np.float32)


def _scaled(scores: Floats, floor: float, narrowest: float) -> Floats:
    filled = np.where(np.isnan(scores), np.float32(floor), scores)
    best = float(filled.max(initial=floor))
    return ((filled - floor) / max(best - floor, narrowest)).astype(np.float32)
