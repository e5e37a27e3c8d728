"""Choose how readily a tuned model refuses: a bias on the logit of refusing, chosen on held-out rows.

    python -m tuning.refusal_bias --judged DEV.json [--task FOLDER]

DEV.json is a report of `tuning.judge --refusal-bias 0` over rows of dev. The bias of the best balanced refusal accuracy
is printed, and written into the task's card where one is named; the embedded generator adds it at the first token.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generation.tasks import TASK_FILE

NEAR_ZERO = 0.005
"""Balanced accuracy given up for a bias nearer to none: a peak over a few hundred rows is partly luck."""


def balanced(judged: Sequence[Mapping[str, Any]], bias: float) -> float:
    """Return the mean of the share of right answers to answer and of right refusals under a bias."""
    able = [row["margin"] + bias <= 0 for row in judged if row["token_f1"] is not None]
    rest = [row["margin"] + bias > 0 for row in judged if row["token_f1"] is None]
    return float((sum(able) / max(len(able), 1) + sum(rest) / max(len(rest), 1)) / 2)


def choose_bias(judged: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return a bias and its balanced accuracy: of those nearly as good as the best, the one nearest to none."""
    margins = sorted({float(row["margin"]) for row in judged})
    middles = [-(low + high) / 2 for low, high in itertools.pairwise(margins)]
    scored = [(balanced(judged, bias), bias) for bias in (0.0, *middles)]
    best = max(score for score, _ in scored)
    bias, score = min(
        ((bias, score) for score, bias in scored if score >= best - NEAR_ZERO), key=lambda pair: abs(pair[0])
    )
    return round(bias, 3), round(score, 4)


def main() -> None:
    """Choose a bias by the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judged", type=Path, required=True)
    parser.add_argument("--task", type=Path)
    given = parser.parse_args()
    judged = json.loads(given.judged.read_text(encoding="utf-8"))["judged"]
    bias, score = choose_bias(judged)
    if given.task:
        card = json.loads((given.task / TASK_FILE).read_text(encoding="utf-8"))
        (given.task / TASK_FILE).write_text(json.dumps(card | {"refusal_bias": bias}, indent=1), encoding="utf-8")
    print(json.dumps({"refusal_bias": bias, "balanced": score, "without": round(balanced(judged, 0.0), 4)}))  # noqa: T201


if __name__ == "__main__":
    main()
