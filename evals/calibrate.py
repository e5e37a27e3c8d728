"""Fit when to answer: scores of questions with and without answers, a regression over them, and the curve."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.runtime import Runtime, open_runtime
from core.errors import InvalidInput, InvalidSetting, MissingExtra
from core.settings import Settings
from core.types import OPERATOR, Filters, Question
from evals.answers import Material, open_store
from evals.cases import Case, limited, read_cases
from evals.judging import Judge
from evals.progress import tracked
from evals.store import Store, stored
from generation.calibration import FOLDS, WITHOUT_ANSWER, Calibration, Point, fit, load_calibration
from generation.evidence import select_evidence
from generation.rewrite import rewrite

logger = logging.getLogger(__name__)
TRUSTED = 200
"""Questions from which a calibration is to be trusted (docs/adr/0033)."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one question's evidence, and whether it has an answer."""

    scores: Mapping[str, float]
    answerable: bool
    group: str
    """What it was asked of: its document, or its conversation."""


def calibrate(
    questions: Path, *, settings: Settings, material: Material | None = None, limit: int | None = None
) -> tuple[Calibration, list[Scored]]:
    """Return the calibration of a question set over the operator's own store, or over material given for it.

    With it come the scored questions it was made of.

    Raises:
        InvalidInput: a row does not say whether it is answerable, there are too few of either kind, or nothing is
            found for them.
    """
    cases = limited(read_cases(questions), limit)
    unsaid = [case.id for case in cases if case.answerable is None]
    if unsaid:
        raise InvalidInput(f"{len(unsaid)} rows do not say `answerable`, the first is {unsaid[0]}")
    _require_both_kinds([bool(case.answerable) for case in cases], f"{questions} holds")
    with _runtime(questions, settings, material) as (runtime, store):
        judge = Judge(store)
        for case in cases:
            judge.places(case)
        judge.warn()
        rows = [score(runtime, case) for case in tracked(cases, "score")]
    found = [row for row in rows if row is not None]
    if len(found) < len(rows):
        logger.warning("for %s of %s questions nothing was found; they are left out", len(rows) - len(found), len(rows))
    searched = "your store" if material is None else "the documents given"
    _require_both_kinds([row.answerable for row in found], f"{searched}, of {len(rows)} questions, has passages for")
    scores, labels = [row.scores for row in found], [row.answerable for row in found]
    return fit(scores, labels, questions.name, groups=[row.group for row in found]), found


def _require_both_kinds(labels: Sequence[bool], there: str) -> None:
    """Refuse what cannot be fitted before the scoring, which takes a second a question, and name what is missing."""
    having = sum(labels)
    if min(having, len(labels) - having) < FOLDS:
        raise InvalidInput(
            f"calibration needs at least {FOLDS} questions with and {FOLDS} without an answer; {there} {having} with "
            f"and {len(labels) - having} without"
        )


def score(runtime: Runtime, case: Case) -> Scored | None:
    """Return what `ask` would weigh of a question, `None` where nothing is found."""
    question = Question(case.question, OPERATOR, history=case.history)
    query = rewrite(question)
    evidence = select_evidence(runtime.retriever.retrieve(query, OPERATOR, filters=Filters()), runtime.settings)
    if not evidence:
        return None
    group = str(case.fields.get("conversation_id") or case.fields.get("doc") or case.id)
    scores = runtime.answerability.features(query.text, evidence, case.history)
    return Scored(scores, bool(case.answerable), group)


def summary(calibration: Calibration, accepted: float) -> dict[str, Any]:
    """Return the curve and what the accepted number of wrong answers makes of it."""
    threshold = calibration.threshold(accepted)
    refusing = Point(threshold, coverage=0.0, accuracy=1.0, wrong_per_hundred=0.0, false_refusals=1.0)
    chosen = next((point for point in calibration.curve if point.threshold >= threshold), refusing)
    return {
        "questions": calibration.questions,
        "accepted_wrong_per_hundred": accepted,
        "threshold": threshold,
        "coverage": chosen.coverage,
        "accuracy": chosen.accuracy,
        "wrong_per_hundred": chosen.wrong_per_hundred,
        "false_refusals": chosen.false_refusals,
        "weights": dict(zip(calibration.names, calibration.weights, strict=True)),
        "curve": calibration.to_json()["curve"],
    }


def in_force(scored: Sequence[Scored], home: Path, accepted: float) -> dict[str, float] | None:
    """Return what the calibration in force decides on the same questions, `None` where none reads their scores."""
    names = set(scored[0].scores)
    try:
        before = load_calibration(home, second="second" in names)
    except InvalidSetting:  # damaged or of an earlier version: what a new one is fitted for
        return None
    if before is None or not names.issuperset(before.names):
        return None
    threshold = before.threshold(accepted)
    answered = [(before.probability(row.scores) >= threshold, row.answerable) for row in scored]
    having = [said for said, answerable in answered if answerable]
    lacking = [said for said, answerable in answered if not answerable]
    return {
        "wrong_per_hundred": 100 * WITHOUT_ANSWER * sum(lacking) / len(lacking),
        "false_refusals": 1 - sum(having) / len(having),
    }


def plot(calibration: Calibration, accepted: float, path: Path) -> None:
    """Draw accuracy over coverage with the point in force.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtra("evals", "matplotlib") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    points = [point for point in calibration.curve if point.coverage > 0]
    threshold = calibration.threshold(accepted)
    figure, axes = pyplot.subplots(figsize=(6, 4), dpi=120)
    axes.plot(_column(points, "coverage"), _column(points, "accuracy"), color="#1f5fa8", label="held-out questions")
    chosen = [point for point in points if point.threshold >= threshold][:1]
    if chosen:
        label = f"{accepted:g} wrong in a hundred: threshold {threshold:.2f}"
        axes.plot(_column(chosen, "coverage"), _column(chosen, "accuracy"), "o", color="#b3261e", label=label)
    axes.set(xlabel="share of questions answered", ylabel="share of answers that have one", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def _column(points: Sequence[Any], name: str) -> list[float]:
    return [float(getattr(point, name)) for point in points]


@contextmanager
def _runtime(questions: Path, settings: Settings, material: Material | None) -> Iterator[tuple[Runtime, Store]]:
    if material is not None:
        with open_store(material, questions, calibrated=False) as opened:  # it is being fitted anew
            yield opened
        return
    with open_runtime(settings, follow=False) as runtime:
        runtime.retriever.sync()
        yield runtime, stored(runtime.database)
