"""What is learnt and from what: a recipe, rows as token ids, and batches in an order that the seed decides."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IGNORED = -100  # the label that the loss leaves out


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is learnt and how; everything that changes the result is here and is written beside it."""

    method: str = "ptune"
    tokens: int = 20
    hidden: int = 576
    rank: int = 8
    learning_rate: float = 1e-3
    epochs: int = 4
    batch: int = 16
    accumulate: int = 1
    max_tokens: int = 1400
    norm_penalty: float = 0.1
    limit: int | None = None
    patience: int = 2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One row as token ids; the loss covers the last `target` ids only."""

    ids: tuple[int, ...]
    target: int


def read_samples(path: Path, tokenizer: Any, recipe: Recipe, limit: int | None = None) -> list[Sample]:
    """Tokenise rows, leaving out those longer than the limit."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    samples = []
    for row in rows[:limit]:
        prompt = tokenizer.apply_chat_template(row["messages"], add_generation_prompt=True, tokenize=False)
        head = tokenizer.encode(prompt, add_special_tokens=False)
        tail = tokenizer.encode(row["target"] + tokenizer.eos_token, add_special_tokens=False)
        if len(head) + len(tail) <= recipe.max_tokens:
            samples.append(Sample((*head, *tail), len(tail)))
    return samples


def batches(samples: Sequence[Sample], size: int, seed: str) -> list[list[Sample]]:
    """Deal samples into batches of like length, in an order that the seed alone decides."""
    rng = random.Random(seed)
    shuffled = rng.sample(list(samples), len(samples))
    pool = size * 16
    groups = [sorted(shuffled[i : i + pool], key=lambda s: len(s.ids)) for i in range(0, len(shuffled), pool)]
    dealt = [group[i : i + size] for group in groups for i in range(0, len(group), size)]
    rng.shuffle(dealt)
    return dealt


def collate(batch: Sequence[Sample], pad: int, device: Any) -> dict[str, Any]:
    """Pad a batch at the right; labels cover targets only."""
    import torch

    width = max(len(sample.ids) for sample in batch)
    ids = torch.full((len(batch), width), pad)
    labels = torch.full((len(batch), width), IGNORED)
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    for row, sample in enumerate(batch):
        length = len(sample.ids)
        ids[row, :length] = torch.tensor(sample.ids)
        mask[row, :length] = 1
        labels[row, length - sample.target : length] = torch.tensor(sample.ids[length - sample.target :])
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device), "labels": labels.to(device)}
