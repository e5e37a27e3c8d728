"""One score of several adapters trained for the same label: what one got wrong by chance, another gets right."""

from __future__ import annotations

import math
from collections.abc import Sequence

_SMALLEST = 1e-5
"""Probabilities nearer to 0 or 1 count as this near: the log-odds of a rounded 1 would outvote every other."""


def together(scores: Sequence[float]) -> float:
    """Return the probability whose log-odds are the mean of theirs; a single one as it is."""
    if len(scores) == 1:
        return scores[0]
    bounded = [min(max(score, _SMALLEST), 1.0 - _SMALLEST) for score in scores]
    mean = sum(math.log(score / (1.0 - score)) for score in bounded) / len(bounded)
    return 1.0 / (1.0 + math.exp(-mean))
