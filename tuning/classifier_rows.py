"""Labelled rows for a classifier adapter: reading, tokenising, folds by group, batches by length.

Needs only torch and tokenizers (and `models/lora.py`), so that it can be copied to a GPU machine.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from models.lora import Batch, batch_of, windows


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text or pair; `train_only` rows (augmentations) are never scored."""

    first: str | None
    second: str
    label: float
    group: str
    kind: str = ""
    weight: float = 1.0
    train_only: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A row as token ids: the first text of a pair, and the windows of the other."""

    first: list[int] | None
    windows: list[list[int]]
    row: Row

    @property
    def tokens(self) -> int:
        """How many tokens its longest window has."""
        return len(self.first or ()) + max(map(len, self.windows)) + 3


@dataclass(frozen=True, slots=True)
class TokenRules:
    """How texts become tokens; kept in the adapter's card, because serving must do the same."""

    max_tokens: int
    max_windows: int


def read_rows(path: Path, label: str = "label") -> list[Row]:
    """Read JSON Lines with `text` or `a` and `b`, `label`, and maybe `group`, `kind`, `weight`, `train_only`, `id`.

    The label may have a second name, `label` (a data set's own, such as `toxic`), and a context counts as text.

    Rows whose label is null are left out. Raises ValueError with the line's number on anything else.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line.strip():
            try:
                fields = json.loads(line)
                fields.setdefault("label", fields.get(label))
                fields.setdefault("text", fields.get("context", ""))
                if fields["label"] is not None:
                    rows.append(_row(fields, number))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path}, line {number}: {type(error).__name__}: {error}") from error
    if not rows:
        raise ValueError(f"{path} holds no labelled rows")
    return rows


def _row(fields: dict[str, Any], number: int) -> Row:
    pair = "a" in fields
    return Row(
        first=str(fields["a"]) if pair else None,
        second=str(fields["b"] if pair else fields["text"]),
        label=float(fields["label"]),
        group=str(fields.get("group") or f"row-{number}"),
        kind=str(fields.get("kind") or ""),
        weight=float(fields.get("weight", 1.0)),
        train_only=bool(fields.get("train_only", False)),
        id=str(fields.get("id") or number),
    )


def encode_rows(rows: Sequence[Row], tokenizer: Tokenizer, rules: TokenRules) -> list[Encoded]:
    """Tokenise all rows at once."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    firsts = tokenizer.encode_batch([row.first or "" for row in rows], add_special_tokens=False)
    seconds = tokenizer.encode_batch([row.second for row in rows], add_special_tokens=False)
    encoded = []
    for row, first, second in zip(rows, firsts, seconds, strict=True):
        kept = None if row.first is None else first.ids[: rules.max_tokens // 2]
        cut = windows(kept, second.ids, max_tokens=rules.max_tokens, limit=rules.max_windows)
        encoded.append(Encoded(kept, cut, row))
    return encoded


def folds_by_group(rows: Sequence[Row], folds: int, seed: int) -> list[int]:
    """Assign each row to a fold; a group never straddles two, and folds hold about as many scored rows each.

    A group without a scored row is in no fold (-1): there is nothing to hold out, so every fold trains on it.
    """
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[row.group] = sizes.get(row.group, 0) + (0 if row.train_only else 1)
    groups = sorted(sizes)
    random.Random(seed).shuffle(groups)
    groups = sorted((group for group in groups if sizes[group]), key=lambda group: -sizes[group])
    load, home = [0] * folds, {}
    for group in groups:
        fold = load.index(min(load))
        home[group] = fold
        load[fold] += sizes[group]
    return [home.get(row.group, -1) for row in rows]


def batches(rows: Sequence[Encoded], size: int, shuffle: random.Random | None) -> Iterator[list[int]]:
    """Yield the positions of rows of about equal length, so that little is padded; in random order for training."""
    order = list(range(len(rows)))
    if shuffle is None:
        order.sort(key=lambda i: rows[i].tokens)
        parts = [order[start : start + size] for start in range(0, len(order), size)]
    else:
        shuffle.shuffle(order)
        parts = []
        for start in range(0, len(order), size * 16):
            pool = sorted(order[start : start + size * 16], key=lambda i: (len(rows[i].windows), rows[i].tokens))
            parts += [pool[at : at + size] for at in range(0, len(pool), size)]
        shuffle.shuffle(parts)
    yield from parts


def tensors_of(rows: Iterable[Encoded], tokenizer: Tokenizer) -> tuple[Batch, torch.Tensor]:
    """Return the padded batch of all windows, and which row (0-based) each window belongs to."""
    flat: list[tuple[list[int] | None, list[int]]] = []
    owner: list[int] = []
    for position, row in enumerate(rows):
        flat += [(row.first, window) for window in row.windows]
        owner += [position] * len(row.windows)
    return batch_of(flat, **special_ids(tokenizer)), torch.tensor(owner)


def special_ids(tokenizer: Tokenizer) -> dict[str, int]:
    """Return the ids of BERT's markers, as `batch_of` wants them."""
    return {name: int(tokenizer.token_to_id(f"[{name.upper()}]") or 0) for name in ("cls", "sep", "pad")}
