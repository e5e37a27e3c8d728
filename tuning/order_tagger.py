"""Train the adapter that marks orders in passages, and measure it on documents, attacks and templates it never met.

    python -m tuning.order_tagger --base FOLDER --rows rows --out DIR [--jobs 3]

Rows as `tuning.order_rows` writes them. Two adapters, each trained on one half, score the other; the adapter that is
written is trained on all. A threshold is read from the card's figures or off `halves.jsonl`, in which every sentence
scored stands with what it is: an order, a sentence told to the reader, or a clean one; the doubtful ones in words.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from guardrails.indirect_injection import sentences
from models.tagging import peaks_within
from tuning.classifier import Options, Trained, load_base
from tuning.classifier_cli import write_adapter
from tuning.classifier_folds import share_cores
from tuning.order_marks import LABELS
from tuning.tagger import read_tagged, tag, token_card, train_tagger

GRID = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)


def scored(
    rows: Sequence[dict[str, Any]], found: Sequence[tuple[list[tuple[int, int]], list[list[float]]]]
) -> Iterator[dict[str, Any]]:
    """Yield for each row its kind and, sentence by sentence, the score and what the sentence is."""
    for row, (offsets, values) in zip(rows, found, strict=True):
        spans = sentences(row["text"])
        scores = peaks_within(spans, offsets, [1.0 - value[0] for value in values])
        reached = offsets[-1][1] if offsets else 0
        parts = []
        for (start, end), score in zip(spans, scores, strict=True):
            if start < reached:
                what = "order" if _inside(row["spans"], start, end) else ""
                what = what or ("told" if _inside(row.get("told", ()), start, end) else "clean")
                doubtful = score < 0.8 if what == "order" else score > 0.2
                parts.append([round(score, 4), what, row["text"][start:end].strip()[:120] if doubtful else ""])
        yield {"kind": row["kind"], "sentences": parts}


def _inside(spans: Sequence[Sequence[Any]], start: int, end: int) -> bool:
    return any(span[0] < end and start < span[1] for span in spans)


def rates(rows: Sequence[dict[str, Any]], threshold: float) -> dict[str, Any]:
    """Return what share of orders no sentence of which fires, of clean passages touched, and of told ones blanked."""
    counts: dict[str, list[int]] = {}
    for row in rows:
        orders = [score for score, what, _ in row["sentences"] if what == "order"]
        clean = [score for score, what, _ in row["sentences"] if what == "clean"]
        if orders:
            _count(counts, f"missed:{row['kind']}", max(orders) < threshold)
        elif clean:
            _count(counts, f"touched:{row['kind']}", max(clean) >= threshold)
        for score in (score for score, what, _ in row["sentences"] if what == "told"):
            _count(counts, f"told:{row['kind']}", score >= threshold)
    return {name: {"rows": n, "rate": round(hits / n, 4)} for name, (hits, n) in sorted(counts.items())}


def _count(counts: dict[str, list[int]], name: str, hit: bool) -> None:
    row = counts.setdefault(name, [0, 0])
    row[0] += hit
    row[1] += 1


def _fit(base_folder: Path, options: Options, train: Path, test: Path | None) -> tuple[dict[str, Any], list[Any]]:
    base = load_base(base_folder, options.device)
    trained = train_tagger(read_tagged(train), LABELS, base, options)
    lines: list[Any] = []
    if test is not None:
        served = {name: tensor.half().float().to(base.bert.device) for name, tensor in trained.tensors.items()}
        rows = [json.loads(line) for line in test.read_text(encoding="utf-8").split("\n") if line.strip()]
        lines = list(scored(rows, tag(read_tagged(test), served, LABELS, base, options)))
    return {name: tensor.numpy() for name, tensor in trained.tensors.items()}, lines


def main() -> None:
    """Train three times, and write the adapter, its card, both halves' adapters and what the halves scored."""
    args = _arguments()
    options = Options(**{name: getattr(args, name) for name in Options.__dataclass_fields__ if hasattr(args, name)})
    started = time.monotonic()
    files = [args.rows / f"{name}.jsonl" for name in ("half0", "half1", "all")]
    work = [(files[0], files[1]), (files[1], files[0]), (files[2], None)]
    if args.jobs > 1:
        context = get_context("spawn")
        with ProcessPoolExecutor(args.jobs, context, initializer=share_cores, initargs=(args.jobs,)) as pool:
            jobs = [pool.submit(_fit, args.base, options, *pair) for pair in work]
            done = [job.result() for job in jobs]
    else:
        done = [_fit(args.base, options, *pair) for pair in work]
    lines = [line for _, found in done[:2] for line in found]
    count = sum(1 for _ in files[2].open(encoding="utf-8"))
    metrics = {str(at): rates(lines, at) for at in GRID}
    card = token_card(args, options, LABELS, args.threshold, count, {"other_half": metrics}, "indirect_injection")
    card["seconds"] = round(time.monotonic() - started)
    for name, (tensors, _) in zip(("half0", "half1", ""), done, strict=True):
        trained = Trained({key: torch.from_numpy(values) for key, values in tensors.items()}, options.epochs)
        write_adapter(args.out / name, trained, dict(card))
    with (args.out / "halves.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    print(json.dumps({"out": str(args.out), **rates(lines, args.threshold)}))  # noqa: T201


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tuning.order_tagger", description=__doc__)
    for name in ("base", "rows", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("data", "licence", "base-sha256"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--threshold", type=float, default=0.6)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--lr", dest="learning_rate", type=float, default=1e-3)
    parser.add_argument("--dropout", type=float, default=0.1)
    for name, value in (("rank", 16), ("epochs", 4), ("batch", 48), ("max_tokens", 256), ("seed", 7)):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
