"""From scores to a decision: a logistic regression, and the curve that says what a threshold costs.

A threshold is never set by hand. The operator says how many wrong answers in a hundred questions are acceptable
(`answers.accepted_wrong_per_hundred`), and the curve, measured on questions with and without answers by models that
did not see them, gives the lowest threshold that keeps to it. `attest calibrate` refits both on the operator's own
questions; until then the packaged ones hold.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput, InvalidSetting

Numbers = NDArray[np.float64]
FOLDS = 5
RIDGE = 1.0
"""Strength of the pull towards zero, in rows: enough to keep twenty questions from fitting noise."""
WITHOUT_ANSWER = 0.2
"""Share of the questions asked that we take to have no answer. Question sets hold as many as their makers put in,
half or more; the curve is weighted to this share, or its wrong answers in a hundred would be those of the set."""
FILE = "calibration.json"
ONE_READER = "calibration-one-reader.json"
"""The packaged calibration where no second reader reads."""
SCORES = ({"read", "figures", "tables", "second"}, {"read", "figures", "tables"}, {"unit", "coverage"})
"""What a calibration weighs: the scores with two readers, with one and without (`generation.answerable`)."""
OPTIONAL = {"follows"}
"""What one may weigh besides; those of earlier versions do not."""


@dataclass(frozen=True, slots=True)
class Point:
    """What one threshold gives on the calibration questions."""

    threshold: float
    coverage: float
    """Share of all questions that are answered."""
    accuracy: float
    """Share of the answered questions that have an answer."""
    wrong_per_hundred: float
    """Questions without an answer that are answered all the same, in a hundred questions asked."""
    false_refusals: float
    """Share of the questions with an answer that are refused."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of the scores, in the order of `names`, over scores centred and scaled; and the measured curve."""

    names: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    curve: tuple[Point, ...]
    questions: int
    source: str

    def probability(self, scores: Mapping[str, float]) -> float:
        """Return the probability that the evidence answers the question."""
        row = np.array([scores[name] for name in self.names])
        logit = float(np.dot((row - np.array(self.means)) / np.array(self.scales), np.array(self.weights)) + self.bias)
        return float(1.0 / (1.0 + np.exp(-np.clip(logit, -30.0, 30.0))))

    def threshold(self, accepted_wrong_per_hundred: float) -> float:
        """Return the lowest threshold that keeps wrong answers within what is accepted."""
        kept = [p.threshold for p in self.curve if p.wrong_per_hundred <= accepted_wrong_per_hundred]
        return min(kept, default=1.01)

    @property
    def revision(self) -> str:
        """A short name of these very weights and this curve, for the record."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready dictionaries."""
        return asdict(self)


def fit(
    rows: Sequence[Mapping[str, float]],
    answerable: Sequence[bool],
    source: str,
    *,
    groups: Sequence[str] = (),
    sets: Sequence[str] = (),
) -> Calibration:
    """Fit weights on all rows, and the curve on scores given by folds that did not see their row.

    With `groups`, no group is split between folds; with `sets`, each question set weighs the same, however large.

    Raises:
        InvalidInput: there are too few questions of either kind.
    """
    labels = np.array(answerable, dtype=np.float64)
    if min(labels.sum(), (1 - labels).sum()) < FOLDS:
        raise InvalidInput(f"calibration needs at least {FOLDS} questions with and {FOLDS} without an answer")
    names = tuple(sorted(rows[0]))
    table = np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
    means, scales = table.mean(0), np.maximum(table.std(0), 1e-6)
    table = (table - means) / scales
    held, weight = np.empty(len(table)), _weights(labels, sets or [source] * len(labels))
    fold = _folds(groups, labels)
    for number in range(FOLDS):
        part = fold == number
        weights, bias = _logistic(table[~part], labels[~part], weight[~part])
        held[part] = 1 / (1 + np.exp(-np.clip(table[part] @ weights + bias, -30, 30)))
    weights, bias = _logistic(table, labels, weight)
    return Calibration(
        names=names,
        means=tuple(map(float, means)),
        scales=tuple(map(float, scales)),
        weights=tuple(map(float, weights)),
        bias=float(bias),
        curve=tuple(curve(held, labels, weight)),
        questions=len(rows),
        source=source,
    )


def _folds(groups: Sequence[str], labels: Numbers) -> NDArray[np.int_]:
    """Return the fold of each row: by group, by row where there are no groups or too few to leave both kinds to fit."""
    by_row = np.arange(len(labels)) % FOLDS
    if not groups:
        return by_row
    fold = np.array([int(hashlib.sha256(group.encode()).hexdigest(), 16) % FOLDS for group in groups])
    usable = all(len(set(labels[fold != number])) == 2 for number in range(FOLDS))
    return fold if usable else by_row


def _weights(labels: Numbers, sets: Sequence[str]) -> Numbers:
    """Weigh rows so that both kinds of question weigh the same in each set, and all sets the same; the mean is 1."""
    kinds = [(name, label > 0.5) for name, label in zip(sets, labels, strict=True)]
    sizes = Counter(kinds)
    return np.array([len(kinds) / len(sizes) / sizes[kind] for kind in kinds])


def curve(scores: Numbers, labels: Numbers, weight: Numbers) -> list[Point]:
    """Return what each threshold in steps of 0.01 gives, in a hundred questions of which twenty have no answer."""
    points = []
    has = labels > 0.5
    for threshold in np.round(np.arange(0.0, 1.0, 0.01), 2):
        answered = scores >= threshold
        right = (1 - WITHOUT_ANSWER) * float(np.average(answered[has], weights=weight[has]))
        wrong = WITHOUT_ANSWER * float(np.average(answered[~has], weights=weight[~has]))
        points.append(
            Point(
                threshold=float(threshold),
                coverage=round(right + wrong, 4),
                accuracy=round(right / (right + wrong), 4) if right + wrong else 1.0,
                wrong_per_hundred=round(100 * wrong, 2),
                false_refusals=round(1 - right / (1 - WITHOUT_ANSWER), 4),
            )
        )
    return points


def load_calibration(home: Path, *, second: bool) -> Calibration | None:
    """Return the operator's calibration, the packaged one where there is none, `None` where neither is.

    `second` says whether a second reader reads.

    Raises:
        InvalidSetting: the operator's file is damaged, or was fitted to scores that are not given any more.
    """
    own = home / FILE
    if not own.is_file():
        return _packaged(FILE if second else ONE_READER)
    found = _read(own.read_text(encoding="utf-8"), str(own))
    if "second" in found.names and not second:
        raise InvalidSetting(
            f"{own} was fitted with the second reader, which is off or not installed; set answers.second_reader, or "
            "run: attest calibrate --questions FILE"
        )
    return found


def save_calibration(calibration: Calibration, path: Path) -> None:
    """Write it whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(calibration.to_json(), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


@cache
def _packaged(name: str) -> Calibration | None:
    file = files("generation") / name
    return _read(file.read_text(encoding="utf-8"), name) if file.is_file() else None


def _read(text: str, name: str) -> Calibration:
    try:
        fields = json.loads(text)
        points = tuple(Point(**point) for point in fields["curve"])
        lists = {key: tuple(fields[key]) for key in ("names", "means", "scales", "weights")}
        found = Calibration(**{**fields, **lists, "curve": points})
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidSetting(
            f"{name} is not a calibration; delete it and run: attest calibrate --questions FILE"
        ) from error
    if set(found.names) - OPTIONAL not in SCORES:
        raise InvalidSetting(
            f"{name} weighs {', '.join(found.names)}, which an earlier version gave; delete it and run: "
            "attest calibrate --questions FILE"
        )
    return found


def _logistic(table: Numbers, labels: Numbers, weight: Numbers) -> tuple[Numbers, float]:
    """Return weights and bias of a weighted ridge logistic regression, by Newton's method."""
    rows = np.hstack([table, np.ones((len(table), 1))])
    pull = np.eye(rows.shape[1]) * RIDGE
    pull[-1, -1] = 1e-6
    beta = np.zeros(rows.shape[1])
    for _ in range(50):
        guess = 1 / (1 + np.exp(-np.clip(rows @ beta, -30, 30)))
        gradient = rows.T @ (weight * (guess - labels)) + pull @ beta
        hessian = (rows * (weight * guess * (1 - guess))[:, None]).T @ rows + pull
        step = np.linalg.solve(hessian, gradient)
        beta -= step
        if float(np.abs(step).max()) < 1e-8:
            break
    return beta[:-1], float(beta[-1])
