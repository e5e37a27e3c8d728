"""Measure a rail on labelled rows, through the code that guards the running product.

What is positive, by rail: `toxic`, `attack`, `harmful`, `injected`; for groundedness a row that is *not*
grounded; for domain a row that is *not* in the domain: by `in_domain`, else by `in_domain_for`, which names any
where the settings describe their own, and finance where they do not. Rows whose label is null are left out. A rail
fires from the threshold of its policy for questions (passages, answers where it reads those). Personal data is
measured by span: a span found is right when a true span of the same family (`guardrails/pii_types.py`: towns and
addresses are both LOCATION) overlaps it, a true span is found when one of ours of its family overlaps it; recall and
precision are shares of spans.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import InvalidInput
from core.settings import RailSettings, Settings
from core.types import RailStage
from guardrails.groundedness import requests_of
from guardrails.measured_domain import DESCRIPTION, EXAMPLES
from guardrails.pii import PiiSpan, find_pii
from guardrails.pii_types import family
from guardrails.policy import effective
from guardrails.rail import Context, Finding, is_classifier_rail
from models.adapters import Classifier, load_classifier

Row = Mapping[str, Any]
Label = Callable[[Row], bool | None]
STAGES: Mapping[str, RailStage] = {
    "toxicity": "input",
    "prompt_injection": "input",
    "indirect_injection": "retrieval",
    "harmful_requests": "input",
    "groundedness": "output",
    "domain": "input",
}
"""The rails that are measured by the text, and the stage whose policy counts."""
_TRUE_WHERE: Mapping[str, str] = {
    "toxicity": "toxic",
    "prompt_injection": "attack",
    "indirect_injection": "injected",
    "harmful_requests": "harmful",
}


def label_of(name: str, settings: RailSettings) -> Label:
    """Return what says of a row whether a rail should fire; `None` where it is not known."""
    if name == "groundedness":
        return lambda row: None if row["grounded"] is None else not row["grounded"]
    if name == "domain":
        return lambda row: _off_domain(row, settings)
    field = _TRUE_WHERE[name]
    return lambda row: None if row[field] is None else bool(row[field])


def _off_domain(row: Row, settings: RailSettings) -> bool | None:
    if "in_domain" in row:
        return None if row["in_domain"] is None else not row["in_domain"]
    return not row["in_domain_for"] if _describes_domain(settings) else "finance" not in row["in_domain_for"]


def _describes_domain(settings: RailSettings) -> bool:
    return bool(settings.domain_description.strip() or settings.domain_examples)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a rail said of a row; `spans` only for personal data, `label` None where the row does not count."""

    score: float
    fired: bool
    label: bool | None
    milliseconds: float
    spans: tuple[PiiSpan, ...] = ()


def predictor(name: str, settings: Settings) -> Callable[[Sequence[Row]], list[Prediction]]:
    """Return a function that runs a rail on rows, one by one as the product does.

    Raises:
        InvalidInput: there is no measure for a rail of this name.
    """
    classifier = load_classifier(settings.embedder, settings.home)
    if name == "pii":
        return lambda rows: [_pii(row, classifier) for row in rows]
    if name not in STAGES:
        raise InvalidInput(f"no measure for rail {name!r}; known: pii, {', '.join(sorted(STAGES))}")
    rail, label = _rail(name, settings, classifier), label_of(name, settings.rails)
    threshold = threshold_of(rail, settings.rails)

    def predict(row: Row) -> Prediction:
        score, spent_ms = _judged(rail, row, classifier)
        return Prediction(score, score >= threshold, label(row), spent_ms)

    return lambda rows: [predict(row) for row in rows]


def threshold_of(rail: Any, settings: RailSettings) -> float:
    """Return the score from which a rail fires at its stage: the policy's, else its own."""
    policy = effective(settings, rail.name, STAGES[rail.name], None)
    return float(rail.threshold if policy.threshold is None else policy.threshold)


def measure_rail(name: str, rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """Return rows, precision, recall, f1, accuracy, auc, threshold, latency (ms) and the same by kind."""
    predict = predictor(name, settings)
    predict(rows[:2])  # the first texts pay for loading
    predictions = predict(rows)
    times = sorted(p.milliseconds for p in predictions)
    latency = {f"p{q}_ms": round(float(np.percentile(times, q)), 2) for q in (50, 95)} if times else {}
    if name == "pii":
        return {**figures_of(name, rows, predictions), **latency}
    rail = _rail(name, settings, load_classifier(settings.embedder, settings.home))
    by_kind = (figures := figures_of(name, rows, predictions)).pop("by_kind")
    return {**figures, "threshold": threshold_of(rail, settings.rails), **latency, "by_kind": by_kind}


def figures_of(name: str, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Return what a rail said of rows, counted: over all and by kind."""
    if name == "pii":
        return _span_figures(rows, predictions)
    counted = [(row, p) for row, p in zip(rows, predictions, strict=True) if p.label is not None]
    kinds: dict[str, list[Prediction]] = defaultdict(list)
    for row, prediction in counted:
        source, kind = str(row.get("source") or ""), str(row.get("kind") or row.get("domain") or "")
        for key in {source, kind} - {""}:
            kinds[key].append(prediction)
    by_kind = {kind: _figures(found) for kind, found in sorted(kinds.items())}
    return {**_figures([p for _, p in counted]), "by_kind": by_kind}


def _rail(name: str, settings: Settings, classifier: Classifier) -> Any:
    from guardrails.domain import Domain
    from guardrails.registry import build_rails

    if name == "domain" and not _describes_domain(settings.rails):
        from models.encoder import load_encoder

        return Domain(DESCRIPTION, EXAMPLES, lambda: load_encoder(settings.embedder))
    return next(rail for rail in build_rails(settings, classifier) if rail.name == name)


def _judged(rail: Any, row: Row, classifier: Classifier) -> tuple[float, float]:
    """Return a rail's score of a row, and the milliseconds it took."""
    started = time.perf_counter()
    if rail.name == "groundedness":
        text, evidence = str(row["answer"]), str(row["context"])
        scores = [float(score) for score in classifier.score_many(requests_of(text, evidence))]
        score = 1.0 - rail.support(text, evidence, scores)
    else:
        score = _finding(rail, Context("input", str(row.get("text") or row.get("context") or "")), classifier).score
    return score, (time.perf_counter() - started) * 1000


def _finding(rail: Any, context: Context, classifier: Classifier) -> Finding:
    if is_classifier_rail(rail):
        requests = list(rail.requests(context))
        return rail.judge(context, [float(score) for score in classifier.score_many(requests)])
    found: Finding = rail.check(context)
    return found


def _pii(row: Row, classifier: Classifier) -> Prediction:
    started = time.perf_counter()
    spans = tuple(find_pii(str(row["text"]), classifier))
    spent = (time.perf_counter() - started) * 1000
    return Prediction(1.0 if spans else 0.0, bool(spans), bool(row["spans"]), spent, spans)


def _figures(predictions: Sequence[Prediction]) -> dict[str, Any]:
    fired = np.array([p.fired for p in predictions], dtype=bool)
    true = np.array([bool(p.label) for p in predictions], dtype=bool)
    scores = np.array([p.score for p in predictions])
    hits, false_alarms, misses = int((fired & true).sum()), int((fired & ~true).sum()), int((~fired & true).sum())
    precision, recall = _share(hits, hits + false_alarms), _share(hits, hits + misses)
    passed = _share(int((~fired & ~true).sum()), int((~true).sum()))
    both = recall is not None and passed is not None
    return {
        "rows": len(predictions),
        "precision": precision,
        "recall": recall,
        "f1": _f1(precision, recall),
        "accuracy": _share(int((fired == true).sum()), len(predictions)),
        "balanced_accuracy": round((float(recall or 0) + float(passed or 0)) / 2, 4) if both else None,
        "false_positive_rate": None if passed is None else round(1 - passed, 4),
        "auc": _auc(scores, true),
    }


def _span_figures(rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, Any]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    clean_rows = clean_fired = 0
    for row, prediction in zip(rows, predictions, strict=True):
        true = [(int(s["start"]), int(s["end"]), family(str(s["type"]))) for s in row["spans"]]
        clean_rows += not true
        clean_fired += not true and bool(prediction.spans)
        for span in prediction.spans:
            right = any(kind == span.kind and start < span.end and span.start < end for start, end, kind in true)
            for key in ("all", span.kind):
                counts[key][0] += right
                counts[key][1] += 1
        for start, end, kind in true:
            found = any(s.kind == kind and start < s.end and s.start < end for s in prediction.spans)
            for key in ("all", kind):
                counts[key][2] += found
                counts[key][3] += 1
    figures = {key: _span_rates(*values) for key, values in sorted(counts.items())}
    overall = figures.pop("all", _span_rates(0, 0, 0, 0))
    accuracy = _share(clean_rows - clean_fired, clean_rows)
    return {"rows": len(rows), **overall, "accuracy": accuracy, "auc": None, "threshold": 0.5, "by_kind": figures}


def _span_rates(right: int, found: int, recalled: int, true: int) -> dict[str, Any]:
    precision, recall = _share(right, found), _share(recalled, true)
    return {"spans": true, "precision": precision, "recall": recall, "f1": _f1(precision, recall)}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _f1(precision: float | None, recall: float | None) -> float | None:
    if precision is None or recall is None:
        return None
    return round(2 * precision * recall / (precision + recall), 4) if precision + recall else 0.0


def _auc(scores: np.ndarray[Any, Any], true: np.ndarray[Any, Any]) -> float | None:
    """Area under the ROC curve, ties counted half; None where one class is missing."""
    positive, negative = scores[true], np.sort(scores[~true])
    if not len(positive) or not len(negative):
        return None
    below, upto = np.searchsorted(negative, positive, "left"), np.searchsorted(negative, positive, "right")
    return round(float((below + upto).sum() / 2 / len(positive) / len(negative)), 4)
