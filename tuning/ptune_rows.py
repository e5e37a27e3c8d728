"""What is learnt and from what: a recipe, rows as token ids, and batches in an order that the seed decides."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.types import Chunk, Evidence, PromptName, ScoredChunk, Scores
from generation.brief import Shot, Shown
from generation.styles import styled_messages

IGNORED = -100  # the label that the loss leaves out
DATE = datetime(2026, 1, 1, tzinfo=UTC)  # every row the same: a date must not tell answerable rows apart


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is learnt and how; everything that changes the result is here and is written beside it."""

    method: str = "ptune"
    prompt: PromptName = "brief"
    tokens: int = 50
    hidden: int = 576
    rank: int = 8
    wide: bool = False
    """Whether LoRA also adapts the feed-forward maps."""
    learning_rate: float = 2e-3
    epochs: int = 4
    rounds: int = 1
    """How often an epoch is judged and kept."""
    batch: int = 16
    accumulate: int = 1
    max_tokens: int = 1400
    norm_penalty: float = 0.1
    limit: int | None = None
    start: str | None = None
    """A finished run's folder to go on from, with other rows or another recipe."""
    patience: int = 2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One row as token ids; the loss covers the last `target` ids only."""

    ids: tuple[int, ...]
    target: int


def messages_of(
    row: Mapping[str, Any], prompt: PromptName, shots: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, str]]:
    """Return the chat messages of a row, made by what serves; a row may also bring messages of its own."""
    if "messages" in row:
        return list(row["messages"])
    return styled_messages(prompt, row["question"], evidence_of(row), shots=[_shot(shot) for shot in shots])


def evidence_of(row: Mapping[str, Any]) -> list[Evidence]:
    """Return the passages of a row as evidence."""
    made = []
    for marker, shown in enumerate(_shown(row), 1):
        chunk = Chunk(marker, shown.title, 1, 0, 0, len(shown.text), None, shown.heading, shown.text)
        made.append(Evidence(marker, ScoredChunk(chunk, shown.title, shown.title, "", 1.0, Scores(), DATE)))
    return made


def read_rows(path: Path, limit: int | None = None) -> list[dict[str, Any]]:
    """Read JSON Lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:limit] if line.strip()]


def read_samples(path: Path, tokenizer: Any, recipe: Recipe, limit: int | None = None) -> list[Sample]:
    """Tokenise rows, leaving out those longer than the limit."""
    samples = []
    for row in read_rows(path, limit):
        messages = messages_of(row, recipe.prompt)
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        head = tokenizer.encode(prompt, add_special_tokens=False)
        tail = tokenizer.encode(reply_text(tokenizer, messages, prompt, row["target"]), add_special_tokens=False)
        if len(head) + len(tail) <= recipe.max_tokens:
            samples.append(Sample((*head, *tail), len(tail)))
    return samples


def reply_text(tokenizer: Any, messages: Sequence[Mapping[str, str]], prompt: str, target: str) -> str:
    """Return the reply with the token that ends a turn in the chat template, whatever the tokenizer calls its end."""
    spoken = [*messages, {"role": "assistant", "content": target}]
    after = tokenizer.apply_chat_template(spoken, tokenize=False).removeprefix(prompt).removeprefix(target).strip()
    names = sorted((str(token) for token in tokenizer.all_special_tokens), key=len, reverse=True)
    return target + next((name for name in names if after.startswith(name)), tokenizer.eos_token)


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


def _shown(row: Mapping[str, Any]) -> list[Shown]:
    return [Shown(item["title"], item["text"], item.get("heading", "")) for item in row["passages"]]


def _shot(row: Mapping[str, Any]) -> Shot:
    return Shot(row["question"], tuple(_shown(row)), row["target"])
