"""How good the `groundedness` adapter is on answers it was not trained on, each judged as the rail judges it.

    python -m tuning.verifier_report --runs RUN/fold0 RUN/fold1 RUN/fold2 RUN/all --out models/weights/groundedness

The last run is the adapter that ships; the others scored the labelled rows that it was trained on. The threshold is the
best one for the balanced accuracy of those.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from guardrails.groundedness import support_of
from tuning.classifier_report import Scores, choose_threshold, report
from tuning.passages_data import read_rows
from tuning.verify_data import WHOLE

DATA = (
    "BEGIN (6e65f0d5a1), MTRAG human ratings (cc5b1d481b), built from SQuAD 2.0, ClapNQ, MTRAG, 18F handbook, and "
    "sentences completed by SmolLM2-135M; measured on, not trained on: FaithBench, QAGS"
)
LICENCE = "CC BY 4.0, CDLA-Sharing 1.0, Apache-2.0, CC BY-SA 4.0, CC0"


@dataclass(frozen=True, slots=True)
class Answers:
    """Scores, labels and kinds of whole answers."""

    scores: Scores
    labels: Scores
    kinds: list[str]

    def report(self, threshold: float) -> dict[str, Any]:
        """Return the figures at a threshold."""
        return report(self.scores, self.labels, self.kinds, threshold)


def answers_of(folders: Sequence[Path]) -> Answers:
    """Return each labelled answer with the support of its sentences together."""
    found: dict[str, tuple[list[float], float, str]] = {}
    for folder in folders:
        for row in read_rows(folder / "scores.jsonl"):
            if not row["kind"].startswith("built") and not row["id"].endswith(WHOLE):
                found.setdefault(row["id"], ([], float(row["label"]), row["kind"]))[0].append(row["score"])
    rows = list(found.values())
    scores = np.array([support_of(scores) for scores, _, _ in rows], dtype=np.float64)
    return Answers(scores, np.array([label for _, label, _ in rows]), [kind for _, _, kind in rows])


def main() -> None:
    """Choose the threshold, write adapter and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    folds, last = answers_of(given.runs[:-1]), given.runs[-1]
    threshold = choose_threshold(folds.scores, folds.labels, folds.kinds, metric="balanced_accuracy")
    card = json.loads((last / "card.json").read_text(encoding="utf-8"))
    card |= {
        "threshold": threshold,
        "scored": "an answer by the mean logit of its sentences, a sentence by its best window",
        "data": DATA,
        "licence": LICENCE,
        "date": datetime.now(UTC).date().isoformat(),
        "metrics": {"held_out_folds": folds.report(threshold), "test": answers_of([last]).report(threshold)},
    }
    given.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(last / "adapter.safetensors", given.out / "adapter.safetensors")
    (given.out / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(card["metrics"], indent=1))  # noqa: T201 - the command's result


if __name__ == "__main__":
    main()
