"""One ranking out of two: a weighted sum of scores brought to the same scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def fuse(dense: Floats, lexical: Floats, dense_weight: float) -> Floats:
    """Return fused scores of candidates from their cosine and BM25 scores, all shape (n,).

    A candidate that one side did not score holds NaN there and gets that side's lowest value.
    """
    fused = dense_weight * _scaled(dense) + (1 - dense_weight) * _scaled(lexical)
    return fused.astype(np.float32)


def _scaled(scores: Floats) -> Floats:
    """Map scores to [0, 1] by the range seen; all zero where nothing was scored."""
    known = scores[~np.isnan(scores)]
    if not len(known):
        return np.zeros_like(scores)
    low, high = float(known.min()), float(known.max())
    filled = np.where(np.isnan(scores), low, scores)
    if high == low:
        return np.where(np.isnan(scores), 0.0, 1.0).astype(np.float32)
    scaled: Floats = ((filled - low) / (high - low)).astype(np.float32)
    return scaled
