"""Let a rail score by the mean of several adapters, and report on it from what each of them held out.

    python -m tuning.rail_mean --members RUN/toxicity RUN/toxicity_second --aside … --cap … --out WEIGHTS

Each member is a folder that `tuning.classifier` wrote: `adapter.safetensors`, `card.json`, `held_out_scores.jsonl`. A
row counts where every member held it out, each in folds of its own. The first one's card gets the threshold and the
figures of the mean, and names the others (`mean_with`), with which the classifier then scores it.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.members import together
from tuning.classifier_report import reports

Key = tuple[str, str]


def held_out_by_all(folders: list[Path], mean_from: float = 0.0) -> tuple[list[float], list[float], list[str]]:
    """Return the mean score, the label and the kind of each row that all members held out."""
    members = [_held_out(folder / "held_out_scores.jsonl") for folder in folders]
    keys = [key for key in members[0] if all(key in member for member in members)]
    scores = [_served([float(member[key]["score"]) for member in members], mean_from) for key in keys]
    return scores, [float(members[0][key]["label"]) for key in keys], [kind for _, kind in keys]


def _served(scores: list[float], mean_from: float) -> float:
    return together(scores) if scores[0] >= mean_from else scores[0]


def _held_out(path: Path) -> dict[Key, dict[str, Any]]:
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {(row["id"], row["kind"]): row for row in rows}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the members' folders, and print the threshold and the figures of their mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=Path, nargs="+", required=True)
    parser.add_argument("--mean-from", type=float, default=0.1, help="below, the first one's score is the mean's")
    parser.add_argument("--metric", choices=("f1", "balanced_accuracy", "accuracy"), default="f1")
    parser.add_argument("--cap", action="append", default=[], help="KIND=RATE: highest false-positive rate of a kind")
    parser.add_argument("--aside", action="append", default=[], help="kinds that begin so are reported apart")
    parser.add_argument("--out", type=Path, required=True, help="the folder that holds a folder for each adapter")
    given = parser.parse_args(arguments)
    scores, labels, kinds = held_out_by_all(given.members, given.mean_from)
    threshold, metrics = reports(
        np.array(scores), np.array(labels), kinds, aside=given.aside, metric=given.metric, caps=given.cap
    )
    first, *others = given.members
    for folder in given.members:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8")) | {"name": folder.name}
        if folder == first:
            card |= {
                "threshold": threshold,
                "mean_with": [other.name for other in others],
                "mean_from": given.mean_from,
            }
            card |= {"metrics": metrics | {"alone": card["metrics"]["held_out_folds"] | {"by_kind": {}}}}
        out = given.out / folder.name
        out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "adapter.safetensors", out / "adapter.safetensors")
        (out / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps({"threshold": threshold, **metrics}))  # noqa: T201 - the command's result


if __name__ == "__main__":
    main()
