"""Every figure the product reports about itself: one short function each, with its definition in one sentence.

A case that a metric cannot judge yields nothing, never zero; a metric without an eligible case is `None`.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
MARKERS = re.compile(r"\s?\[\d{1,3}\](?!\()")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def mean(values: Iterable[float | bool | None]) -> float | None:
    """Return the mean of the values that are not `None`; `None` where there are none."""
    kept = [float(value) for value in values if value is not None]
    return sum(kept) / len(kept) if kept else None


def share(part: int, whole: int) -> float | None:
    """Return part ÷ whole; `None` where the whole is empty."""
    return part / whole if whole else None


def percentile(values: Sequence[float], q: float) -> float | None:
    """Return the q-th percentile (0–100), linear between neighbours, as numpy's default."""
    if not values:
        return None
    ordered = sorted(values)
    position = (len(ordered) - 1) * q / 100
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def ndcg(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float | None:
    """Normalised discounted cumulative gain of the first k, linear gain and log2 discount as trec_eval's `ndcg_cut`."""
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k]
    if not ideal:
        return None
    gains = [max(grades.get(document, 0), 0) for document in ranked[:k]]
    return _dcg(gains) / _dcg(ideal)


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))


def recall(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float | None:
    """Share of the relevant documents (grade above zero) that are among the first k."""
    relevant = {document for document, grade in grades.items() if grade > 0}
    return share(len(relevant.intersection(ranked[:k])), len(relevant))


def reciprocal_rank(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float | None:
    """One over the rank of the first relevant document among the first k, zero where none is."""
    if not any(grade > 0 for grade in grades.values()):
        return None
    return next((1 / rank for rank, document in enumerate(ranked[:k], 1) if grades.get(document, 0) > 0), 0.0)


def normalise(text: str) -> str:
    """Normalise an answer as SQuAD does: lower case, no punctuation, no articles, single spaces."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def contains(text: str, gold: Sequence[str]) -> bool | None:
    """Whether one of the gold answers, normalised, occurs in the normalised text on word borders."""
    wanted = [normalised for answer in gold if (normalised := normalise(answer))]
    if not wanted:
        return None
    padded = f" {normalise(text)} "
    return any(f" {answer} " in padded for answer in wanted)


def token_f1(text: str, gold: Sequence[str]) -> float | None:
    """Best harmonic mean, over the gold answers, of token precision and recall after SQuAD normalisation."""
    if not gold:
        return None
    return max(_token_f1(normalise(text).split(), normalise(answer).split()) for answer in gold)


def _token_f1(found: list[str], wanted: list[str]) -> float:
    if not found or not wanted:
        return float(found == wanted)
    common = sum((Counter(found) & Counter(wanted)).values())
    return 2 * common / (len(found) + len(wanted))


def token_recall(found: str, wanted: str) -> float | None:
    """Share of the wanted word tokens, counted with repetition, that the found text holds."""
    target = Counter(re.findall(r"\w+", wanted.lower()))
    total = target.total()
    return share((target & Counter(re.findall(r"\w+", found.lower()))).total(), total)


def refusal_precision(pairs: Iterable[tuple[bool, bool]]) -> float | None:
    """Of the questions declined, the share that the documents do not answer; pairs are (declined, answerable)."""
    declined = [answerable for refused, answerable in pairs if refused]
    return share(sum(not answerable for answerable in declined), len(declined))


def refusal_recall(pairs: Iterable[tuple[bool, bool]]) -> float | None:
    """Of the questions the documents do not answer, the share declined; pairs are (declined, answerable)."""
    unanswerable = [refused for refused, answerable in pairs if not answerable]
    return share(sum(unanswerable), len(unanswerable))


def false_refusal_rate(pairs: Iterable[tuple[bool, bool]]) -> float | None:
    """Of the questions the documents do answer, the share declined; pairs are (declined, answerable)."""
    answerable = [refused for refused, can in pairs if can]
    return share(sum(answerable), len(answerable))
