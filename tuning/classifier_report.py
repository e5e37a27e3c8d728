"""How good a binary classifier is, and where to put its threshold. Plain Python and numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
MAIN = "held_out_folds"
"""The rows whose figures are the adapter's, in its card."""


def confusion(scores: Scores, labels: Scores, threshold: float) -> dict[str, float]:
    """Return precision, recall, f1, accuracy and balanced accuracy at a threshold (a score equal to it is positive)."""
    fired, true = scores >= threshold, labels >= 0.5
    hits, false_alarms = float(np.sum(fired & true)), float(np.sum(fired & ~true))
    misses, passes = float(np.sum(~fired & true)), float(np.sum(~fired & ~true))
    precision = hits / (hits + false_alarms) if hits + false_alarms else 0.0
    recall = hits / (hits + misses) if hits + misses else 0.0
    specificity = passes / (passes + false_alarms) if passes + false_alarms else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    accuracy = (hits + passes) / max(len(scores), 1)
    return {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "accuracy": accuracy,
        "balanced_accuracy": (recall + specificity) / 2,
    }


def auc(scores: Scores, labels: Scores) -> float:
    """Return the area under the ROC curve, ties counted half; 0.5 where one class is missing."""
    positive, negative = scores[labels >= 0.5], np.sort(scores[labels < 0.5])
    if not len(positive) or not len(negative):
        return 0.5
    below = np.searchsorted(negative, positive, "left")
    upto = np.searchsorted(negative, positive, "right")
    return float((below + upto).sum() / 2 / len(positive) / len(negative))


def choose_threshold(
    scores: Scores,
    labels: Scores,
    kinds: Sequence[str],
    *,
    metric: str = "f1",
    caps: Mapping[str, float] | None = None,
    counted: NDArray[np.bool_] | None = None,
) -> float:
    """Return the threshold with the best metric among those that keep every capped kind's false-positive rate.

    Only rows in `counted` enter the metric. `caps` maps the beginning of a kind's name to its highest
    false-positive rate. Where nothing keeps the caps, the thresholds that come nearest count; of equally good ones the
    middle one is returned, which stands farthest from what it parts.
    """
    main = np.ones(len(scores), dtype=bool) if counted is None else counted
    # Of both, because a thousand easy rows beside a few hard ones would leave the latter a handful of choices.
    grid = np.concatenate([_middles(scores[main]), _middles(scores)])
    negatives = {name: scores[_is_kind(kinds, name) & (labels < 0.5)] for name in caps or {}}

    def merit(threshold: float) -> tuple[float, float]:
        excess = sum(
            max(0.0, float(np.mean(values >= threshold)) - (caps or {})[name])
            for name, values in negatives.items()
            if len(values)
        )
        return (-excess, confusion(scores[main], labels[main], threshold)[metric])

    merits = [merit(float(threshold)) for threshold in grid]
    best = np.sort(grid[[found == max(merits) for found in merits]])
    return float(best[len(best) // 2])


def _middles(scores: Scores) -> Scores:
    """Return at most 1001 values between neighbouring scores."""
    values = np.unique(scores)
    between = (values[1:] + values[:-1]) / 2 if len(values) > 1 else values
    return np.quantile(between, np.linspace(0, 1, 1001))


def report(scores: Scores, labels: Scores, kinds: Sequence[str], threshold: float) -> dict[str, Any]:
    """Return all metrics and, for each kind, rows, accuracy and the false-positive rate (null without negatives).

    A kind `source:detail` counts under `source` too.
    """
    by_kind = {}
    for kind in sorted(set(kinds) | {k.partition(":")[0] for k in kinds}):
        chosen = np.array([k == kind or k.startswith(f"{kind}:") for k in kinds])
        right = (scores[chosen] >= threshold) == (labels[chosen] >= 0.5)
        negative = scores[chosen & (labels < 0.5)]
        by_kind[kind] = {
            "rows": int(chosen.sum()),
            "accuracy": round(float(right.mean()), 4),
            "false_positive_rate": round(float(np.mean(negative >= threshold)), 4) if len(negative) else None,
        }
    metrics = {name: round(value, 4) for name, value in confusion(scores, labels, threshold).items()}
    return {"rows": len(scores), **metrics, "auc": round(auc(scores, labels), 4), "by_kind": by_kind}


def reports(
    scores: Scores,
    labels: Scores,
    kinds: Sequence[str],
    *,
    aside: Sequence[str],
    metric: str,
    caps: Sequence[str] = (),
) -> tuple[float, dict[str, Any]]:
    """Return the threshold and a report of each family of kinds: those that begin as `aside` says, and the others.

    Only the others choose the threshold, within the caps (`KIND=RATE`).
    """
    families = [next((name for name in aside if kind.startswith(name)), MAIN) for kind in kinds]
    counted = np.array([family == MAIN for family in families])
    highest = {name: float(rate) for name, _, rate in (cap.rpartition("=") for cap in caps)}
    threshold = choose_threshold(scores, labels, kinds, metric=metric, caps=highest, counted=counted)
    metrics = {}
    for family in (MAIN, *aside):
        chosen = np.array([name == family for name in families])
        if chosen.any():
            only = [kind for kind, keep in zip(kinds, chosen, strict=True) if keep]
            metrics[family] = report(scores[chosen], labels[chosen], only, threshold)
    return threshold, metrics


def _is_kind(kinds: Sequence[str], prefix: str) -> NDArray[np.bool_]:
    return np.array([kind.startswith(prefix) for kind in kinds], dtype=bool)
