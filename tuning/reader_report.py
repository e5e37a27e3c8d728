"""How good a reader is on held-out rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.reading import Encoded

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the reader said of one row."""

    row: Mapping[str, Any]
    pair: float
    """Logit of being answerable."""
    margin: float
    answer: str
    support: float
    """Logit of the token most likely to lie in a supporting sentence."""
    pointed: bool
    """Whether that token does lie in one."""

    @classmethod
    def of(
        cls, row: Mapping[str, Any], encoded: Encoded, pair: float, span: Sequence[float], support: Sequence[float]
    ) -> Judged:
        """Read one row's pair logit, its best span (margin, first and last token) and each token's support."""
        margin, start, end = span[0], int(span[1]) - encoded.first, int(span[2]) - encoded.first
        answer = row["context"][encoded.offsets[start][0] : encoded.offsets[end][1]]
        inside = support[encoded.first : encoded.first + len(encoded.passage)]
        top = max(range(len(inside)), key=inside.__getitem__)
        pointed = any(a <= encoded.offsets[top][0] < b for a, b in row["support"] or ())
        return cls(row, pair, margin, answer, inside[top], pointed)


def report(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return answer F1, sentence accuracy and how well each score tells answerable rows, over all and by source."""
    answered = [item for item in judged if item.row["answerable"] and item.row["spans"]]
    supported = [item for item in judged if item.row["answerable"] and item.row["support"]]
    sources = sorted({item.row["source"] for item in judged})
    return {
        "rows": len(judged),
        "answer_f1": _mean([_best_f1(item) for item in answered]),
        "support_accuracy": _mean([float(item.pointed) for item in supported]),
        "answerable": _tell(judged),
        "by_source": {
            source: _tell([item for item in judged if item.row["source"] == source or _positive(item, source)])
            for source in sources
        },
    }


def _positive(item: Judged, source: str) -> bool:
    """Sources of negatives only are measured against the answerable squad rows."""
    return source in ("retrieved", "changed") and item.row["source"] == "squad" and bool(item.row["answerable"])


def _tell(items: Sequence[Judged]) -> dict[str, float | int | None]:
    labels = np.array([item.row["answerable"] for item in items], dtype=bool)
    if labels.all() or not labels.any():
        return {"rows": len(items)}
    scores = {
        "pair": np.array([item.pair for item in items]),
        "margin": np.array([item.margin for item in items]),
        "support": np.array([item.support for item in items]),
    }
    scores["sum"] = scores["pair"] + 0.5 * scores["margin"]
    found: dict[str, float | int | None] = {"rows": len(items), "answerable": int(labels.sum())}
    for name, values in scores.items():
        found[f"auc_{name}"] = round(area(values, labels), 4)
    found["balanced_pair"] = round(balanced(scores["pair"], labels), 4)
    found["balanced_sum"] = round(balanced(scores["sum"], labels), 4)
    return found


def area(scores: Numbers, labels: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve; equal scores count half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive = int(labels.sum())
    return float((ranks[labels].sum() - positive * (positive + 1) / 2) / (positive * (len(labels) - positive)))


def balanced(scores: Numbers, labels: NDArray[np.bool_]) -> float:
    """Return the best balanced accuracy over all thresholds."""
    order = np.argsort(-scores)
    hits = np.cumsum(labels[order]) / labels.sum()
    false = np.cumsum(~labels[order]) / (~labels).sum()
    return float(np.max((hits + 1 - false) / 2))


def _best_f1(item: Judged) -> float:
    golds = [item.row["context"][a:b] for a, b in item.row["spans"]]
    return max(_f1(item.answer, gold) for gold in golds)


def _f1(guess: str, gold: str) -> float:
    one, two = (re.findall(r"\w+", text.lower()) for text in (guess, gold))
    common = sum((Counter(one) & Counter(two)).values())
    return 2 * common / (len(one) + len(two)) if common else 0.0


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


SOURCES = ("squad", "articles", "filings", "clapnq", "mtrag", "plain", "organisations", "pages", "retrieved", "claims")


def _counts_for(row: Mapping[str, Any], source: str) -> bool:
    """Whether a row is of a source; passages that only look right are measured against all that answer."""
    if "form" in row:
        return source == "claims"
    return row["source"] == source or (source == "retrieved" and bool(row["answerable"]))


def told_apart(rows: Sequence[Mapping[str, Any]], logits: Sequence[float]) -> dict[str, Any]:
    """Return how well the scores tell answerable rows, by how a row is held out and by source."""
    found: dict[str, Any] = {}
    for held in ("group", "question"):
        for source in SOURCES:
            chosen = [
                (logit, bool(row["answerable"]))
                for row, logit in zip(rows, logits, strict=True)
                if row["held"] == held and _counts_for(row, source)
            ]
            scores = np.array([logit for logit, _ in chosen], dtype=np.float64)
            labels = np.array([label for _, label in chosen], dtype=np.bool_)
            if labels.any() and not labels.all():
                figures = {"auc": round(area(scores, labels), 4), "balanced": round(balanced(scores, labels), 4)}
                found[f"{held} {source}"] = {"rows": len(labels), **figures}
    return found
