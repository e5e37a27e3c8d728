"""Fit one calibration on the scored questions of several sets, each weighing the same.

    attest calibrate --questions SET.jsonl --docs DOCS --rows SET.rows.jsonl --out FOLDER     (once a set)
    python -m tuning.calibration_fit --rows ONE.rows.jsonl TWO.rows.jsonl --out generation/calibration.json

Use questions that the reader was not trained on: what it knows it scores too well.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from generation.calibration import Calibration, fit, save_calibration


def fit_files(paths: list[Path]) -> Calibration:
    """Return the calibration of rows `{"scores", "answerable", "group"}`; a file is a set."""
    scores, labels, groups, sets = [], [], [], []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            scores.append(row["scores"])
            labels.append(bool(row["answerable"]))
            groups.append(str(row["group"]))
            sets.append(path.name.split(".")[0])
    source = ", ".join(f"{name} {sets.count(name)}" for name in dict.fromkeys(sets))
    return fit(scores, labels, source, groups=groups, sets=sets)


def main() -> None:
    """Fit and write; print what the number of wrong answers accepted costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    fitted = fit_files(given.rows)
    save_calibration(fitted, given.out)
    for accepted in (4, 6, 7, 8, 10, 12):
        threshold = fitted.threshold(accepted)
        point = next((point for point in fitted.curve if point.threshold >= threshold), fitted.curve[-1])
        print(f"accepted {accepted}: threshold {threshold}, false refusals {point.false_refusals}")  # noqa: T201


if __name__ == "__main__":
    main()
