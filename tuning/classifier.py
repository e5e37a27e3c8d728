"""Train a classifier adapter (low-rank, with a head) on the packaged encoder.

    python -m tuning.classifier --base FOLDER --train rows.jsonl --out DIR [--folds 5] [--test held_out.jsonl]

Rows are `{"text" | "a", "b", "label"}` with, where you have them, `group` (never split between folds),
`kind` (reported apart), `weight`, `train_only`. With folds, every row is scored by a model that did not
see its group; the threshold and the metrics come from these scores, and the adapter that is written is
then trained on all rows. Needs torch, numpy, tokenizers, safetensors, and `models/lora.py`.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from models.lora import AdaptedBert, BertShape, as_pairs, new_lora, pooled
from tuning.classifier_report import Scores
from tuning.classifier_rows import Encoded, Row, TokenRules, batches, encode_rows, tensors_of

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """Hyper-parameters of one training; the defaults suit a few thousand short texts."""

    rank: int = 16
    learning_rate: float = 1e-3
    epochs: int = 4
    batch: int = 32
    max_tokens: int = 256
    max_windows: int = 4
    pooling: str = "mean"
    dropout: float = 0.1
    weight_decay: float = 0.01
    warmup: float = 0.06
    smoothing: float = 0.0
    balance: float = 1.0
    """1 gives both classes the same total weight, 0 leaves them as they are."""
    patience: int = 0
    """Epochs without a better held-out loss before training stops; 0 trains all epochs."""
    seed: int = 7
    device: str = "cpu"

    @property
    def rules(self) -> TokenRules:
        """How texts are cut."""
        return TokenRules(self.max_tokens, self.max_windows)


@dataclass(frozen=True, slots=True)
class Base:
    """The frozen encoder and its tokenizer."""

    bert: AdaptedBert
    tokenizer: Tokenizer


@dataclass(frozen=True, slots=True)
class Trained:
    """The tensors of an adapter, and after how many epochs they were taken."""

    tensors: dict[str, Tensor]
    epochs: int


def load_base(folder: Path, device: str) -> Base:
    """Load a BERT encoder's weights (float32) and tokenizer from its folder."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = BertShape(config["num_hidden_layers"], config["num_attention_heads"], config["layer_norm_eps"])
    weights = load_file(folder / "model.safetensors", device=device)
    floats = {name.removeprefix("bert."): t.float() for name, t in weights.items() if t.is_floating_point()}
    return Base(AdaptedBert(floats, shape), Tokenizer.from_file(str(folder / "tokenizer.json")))


def train(
    rows: Sequence[Row],
    base: Base,
    options: Options,
    *,
    held_out: Sequence[Row] = (),
    start: Mapping[str, Tensor] | None = None,
    on_progress: Progress | None = None,
) -> Trained:
    """Train one adapter, from `start` where given; with patience, the best epoch on `held_out` rows is kept."""
    torch.manual_seed(options.seed)
    shuffle = random.Random(options.seed)
    encoded = encode_rows(rows, base.tokenizer, options.rules)
    watched = encode_rows(held_out, base.tokenizer, options.rules) if options.patience else []
    weights = _row_weights(rows, options.balance)
    tensors = _fresh(base, options) if start is None else _continued(start, base)
    optimizer = torch.optim.AdamW(_parameter_groups(tensors, options.weight_decay), lr=options.learning_rate)
    steps_an_epoch = math.ceil(len(encoded) / options.batch)
    pace = _Pace(options, steps_an_epoch, on_progress)
    best: Trained | None = None
    lowest, worse = math.inf, 0
    for epoch in range(1, options.epochs + 1):
        for chosen in batches(encoded, options.batch, shuffle):
            loss = _loss([encoded[i] for i in chosen], weights[chosen], tensors, base, options)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(list(tensors.values()), 1.0)
            pace.step(optimizer, loss)
            optimizer.step()
        if watched:
            held = _held_out_loss(watched, tensors, base, options)
            pace.say(f"epoch {epoch}/{options.epochs} held-out loss {held:.4f}")
            lowest, worse, best = (held, 0, _taken(tensors, epoch)) if held < lowest else (lowest, worse + 1, best)
            if worse >= options.patience:
                break
    return best or _taken(tensors, options.epochs)


def predict(rows: Sequence[Row], tensors: Mapping[str, Tensor], base: Base, options: Options) -> Scores:
    """Return the probability of the positive label, shape (n,); the best window of a long text counts."""
    encoded = encode_rows(rows, base.tokenizer, options.rules)
    scores = np.zeros(len(rows))
    with torch.inference_mode():
        for chosen in batches(encoded, max(options.batch, 64), None):
            logits = _logits([encoded[i] for i in chosen], tensors, base, replace(options, dropout=0.0))
            scores[chosen] = torch.sigmoid(logits).double().cpu().numpy()
    return scores


def _fresh(base: Base, options: Options) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(options.seed)
    tensors = new_lora(base.bert.weights, layers=base.bert.shape.layers, rank=options.rank, generator=generator)
    tensors["head.weight"] = torch.randn(1, base.bert.width, generator=generator) * 0.02
    tensors["head.bias"] = torch.zeros(1)
    return {name: tensor.to(base.bert.device).requires_grad_() for name, tensor in tensors.items()}


def _continued(start: Mapping[str, Tensor], base: Base) -> dict[str, Tensor]:
    """Return a trainable copy of an adapter's tensors."""
    return {name: t.detach().clone().float().to(base.bert.device).requires_grad_() for name, t in start.items()}


def _parameter_groups(tensors: Mapping[str, Tensor], decay: float) -> list[dict[str, Any]]:
    matrices = [t for t in tensors.values() if t.dim() > 1]
    return [
        {"params": matrices, "weight_decay": decay},
        {"params": [t for t in tensors.values() if t.dim() == 1], "weight_decay": 0.0},
    ]


def _row_weights(rows: Sequence[Row], balance: float) -> Tensor:
    """Weight rows so that the classes come nearer to the same total, the mean weight staying 1."""
    weights = torch.tensor([row.weight for row in rows])
    positive = torch.tensor([row.label >= 0.5 for row in rows])
    for side in (positive, ~positive):
        total = float(weights[side].sum())
        if total:
            weights[side] *= (float(weights.sum()) / 2 / total) ** balance
    return weights / weights.mean()


def _logits(rows: Sequence[Encoded], tensors: Mapping[str, Tensor], base: Base, options: Options) -> Tensor:
    """Return one logit a row: the highest of its windows."""
    batch, owner = tensors_of(rows, base.tokenizer)
    batch = batch.to(base.bert.device)
    on_gpu = base.bert.device.type == "cuda"
    with torch.autocast("cuda", torch.bfloat16) if on_gpu else contextlib.nullcontext():
        states = base.bert.hidden(batch, as_pairs(tensors), options.dropout)
    vectors = pooled(states.float(), batch.mask, options.pooling)
    vectors = functional.dropout(vectors, options.dropout, training=options.dropout > 0)
    logits = functional.linear(vectors, tensors["head.weight"], tensors["head.bias"]).squeeze(-1)
    if len(owner) == len(rows):
        return logits
    lowest = torch.full((len(rows),), -1e9, device=logits.device)
    return lowest.scatter_reduce(0, owner.to(logits.device), logits, "amax")


def _loss(
    rows: Sequence[Encoded], weights: Tensor, tensors: Mapping[str, Tensor], base: Base, options: Options
) -> Tensor:
    logits = _logits(rows, tensors, base, options)
    labels = torch.tensor([row.row.label for row in rows], device=logits.device)
    labels = labels * (1 - options.smoothing) + options.smoothing / 2
    losses = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return (losses * weights.to(logits.device)).mean()


def _held_out_loss(rows: Sequence[Encoded], tensors: Mapping[str, Tensor], base: Base, options: Options) -> float:
    total = 0.0
    with torch.inference_mode():
        for chosen in batches(rows, 64, None):
            part = [rows[i] for i in chosen]
            loss = _loss(part, torch.ones(len(part)), tensors, base, replace(options, dropout=0.0, smoothing=0.0))
            total += float(loss) * len(part)
    return total / len(rows)


def _taken(tensors: Mapping[str, Tensor], epochs: int) -> Trained:
    return Trained({name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}, epochs)


class _Pace:
    """The learning rate of each step (warm-up, then cosine), and a line of progress now and then."""

    def __init__(self, options: Options, steps_an_epoch: int, on_progress: Progress | None) -> None:
        self._options = options
        self._total = steps_an_epoch * options.epochs
        self._warm = max(1, round(self._total * options.warmup))
        self._done = 0
        self._since = self._spoke = time.monotonic()
        self._say = on_progress or (lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201 - a command line

    def say(self, line: str) -> None:
        """Report a line."""
        self._say(line)

    def step(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """Set the learning rate of this step, and say how far training is every two seconds."""
        self._done += 1
        done = min(1.0, max(0.0, (self._done - self._warm) / max(1, self._total - self._warm)))
        scale = self._done / self._warm if self._done < self._warm else 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = self._options.learning_rate * scale
        now = time.monotonic()
        if now - self._spoke >= 2.0 or self._done == self._total:
            self._spoke = now
            left = (now - self._since) / self._done * (self._total - self._done)
            self._say(f"step {self._done}/{self._total} loss {float(loss.detach()):.4f} left {left:.0f} s")


if __name__ == "__main__":
    from tuning.classifier_cli import main

    main()
