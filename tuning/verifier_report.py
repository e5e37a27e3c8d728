"""How good the `groundedness` adapter is on answers it was not trained on, each judged as the rail judges it.

    python -m tuning.verifier_report --runs RUN/fold0 RUN/fold1 RUN/fold2 RUN/all --judge groundedness.judge.jsonl
        --out models/weights/groundedness

The last run is the adapter that ships; the others scored the labelled rows that it was trained on. Over these are
chosen the weight of the words held beside the adapter's logit, and the threshold, for the best balanced accuracy.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.grounding import Blend, held_by, share_held, together
from tuning.classifier_report import Scores, auc, choose_threshold, confusion, report
from tuning.passages_data import read_rows
from tuning.verify_data import WHOLE

DATA = (
    "BEGIN (6e65f0d5a1), MTRAG human ratings (cc5b1d481b), built from SQuAD 2.0, ClapNQ, MTRAG, 18F handbook, and "
    "sentences completed by SmolLM2-135M; measured on, not trained on: FaithBench, QAGS"
)
WEIGHTS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
"""Of the share of words held, beside a logit; a regression would take 6.5, at which many a paraphrase falls."""
MIDDLE = 0.6
"""The share of words at which they count neither way."""
AS_GOOD = 0.002
LICENCE = "CC BY 4.0, CDLA-Sharing 1.0, Apache-2.0, CC BY-SA 4.0, CC0"


@dataclass(frozen=True, slots=True)
class Claims:
    """One labelled answer: the adapter's score of each sentence, and the share of its words that one sentence holds."""

    scores: list[float]
    held: list[float]
    label: float
    kind: str

    def support(self, blend: Blend) -> float:
        """Return how well it is supported."""
        return together([blend.support(score, held) for score, held in zip(self.scores, self.held, strict=True)])


def answers_of(folders: Sequence[Path], judged: Path) -> list[Claims]:
    """Return the labelled answers that the runs scored; `judged` holds the sentences they scored."""
    texts: dict[str, list[dict[str, Any]]] = {}
    for row in read_rows(judged):
        texts.setdefault(row["id"], []).append(row)
    scored: dict[str, list[float]] = {}
    for row in (row for folder in folders for row in read_rows(folder / "scores.jsonl")):
        if not row["kind"].startswith("built") and not row["id"].endswith(WHOLE):
            scored.setdefault(row["id"], []).append(row["score"])
    return [_claims(scores, texts[name]) for name, scores in scored.items()]


def _claims(scores: list[float], rows: Sequence[dict[str, Any]]) -> Claims:
    sentences = held_by(rows[0]["b"])
    held = [share_held(row["a"], sentences) for row in rows]
    return Claims(scores, held, float(rows[0]["label"]), rows[0]["kind"])


def fitted(answers: Sequence[Claims]) -> tuple[Blend, float]:
    """Return how adapter and shared words are weighed, and the threshold.

    The weight of the words with the best balanced accuracy counts; among those as good, the one that ranks best.
    """
    tried = []
    for weight in WEIGHTS:
        blend = Blend(held=weight, bias=-MIDDLE * weight)
        scores, labels, kinds = _columns(answers, blend)
        threshold = choose_threshold(scores, labels, kinds, metric="balanced_accuracy")
        reached = confusion(scores, labels, threshold)["balanced_accuracy"]
        tried.append((reached, auc(scores, labels), blend, threshold))
    enough = max(reached for reached, *_ in tried) - AS_GOOD
    *_, blend, threshold = max((row for row in tried if row[0] >= enough), key=lambda row: row[1])
    return blend, threshold


def figures(answers: Sequence[Claims], blend: Blend, threshold: float) -> dict[str, Any]:
    """Return the report of answers at a threshold."""
    return report(*_columns(answers, blend), threshold)


def _columns(answers: Sequence[Claims], blend: Blend) -> tuple[Scores, Scores, list[str]]:
    scores = np.array([answer.support(blend) for answer in answers], dtype=np.float64)
    return scores, np.array([answer.label for answer in answers]), [answer.kind for answer in answers]


def main() -> None:
    """Choose the threshold, write adapter and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    folds, last = answers_of(given.runs[:-1], given.judge), given.runs[-1]
    blend, threshold = fitted(folds)
    card = json.loads((last / "card.json").read_text(encoding="utf-8"))
    card |= {
        "threshold": threshold,
        "blend": asdict(blend),
        "scored": "an answer by the mean logit of its sentences; a sentence by its best window and the words held",
        "data": DATA,
        "licence": LICENCE,
        "date": datetime.now(UTC).date().isoformat(),
        "metrics": {
            "held_out_folds": figures(folds, blend, threshold),
            "test": figures(answers_of([last], given.judge), blend, threshold),
        },
    }
    given.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(last / "adapter.safetensors", given.out / "adapter.safetensors")
    (given.out / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(card["metrics"], indent=1))  # noqa: T201 - the command's result


if __name__ == "__main__":
    main()
