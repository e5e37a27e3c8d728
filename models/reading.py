"""The reader's forward pass and how a pair becomes tokens: what training and serving share.

Imports nothing but torch, tokenizers, safetensors and `models/lora.py`, so that it can run on a bare GPU machine.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from models.lora import AdaptedBert, Batch, BertShape

MAX_TOKENS = 384
MAX_QUESTION = 64
"""Tokens; the rest of a longer question is cut so that a passage always has room."""
LONGEST_ANSWER = 30
"""Tokens of the longest answer that is looked for."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A pair as token ids; `offsets` are the characters of each passage token."""

    question: list[int]
    passage: list[int]
    offsets: list[tuple[int, int]]

    @property
    def first(self) -> int:
        """The row's position of the first passage token, after [CLS] question [SEP]."""
        return len(self.question) + 2

    @property
    def length(self) -> int:
        """Tokens of the row."""
        return self.first + len(self.passage) + 1


def encode_pair(tokenizer: Tokenizer, question: str, passage: str) -> Encoded:
    """Tokenise a pair; the end of a passage that does not fit is cut."""
    return encode_pairs(tokenizer, [(question, passage)])[0]


def encode_pairs(tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]) -> list[Encoded]:
    """Tokenise pairs, on all cores; the end of a passage that does not fit is cut."""
    asked = tokenizer.encode_batch([question for question, _ in pairs], add_special_tokens=False)
    told = tokenizer.encode_batch([passage for _, passage in pairs], add_special_tokens=False)
    found = []
    for one, two in zip(asked, told, strict=True):
        question = one.ids[:MAX_QUESTION]
        room = MAX_TOKENS - len(question) - 3
        found.append(Encoded(question, two.ids[:room], list(two.offsets[:room])))
    return found


def special_ids(tokenizer: Tokenizer) -> dict[str, int]:
    """Return the ids of the tokens that frame a pair."""
    return {name: int(tokenizer.token_to_id(f"[{name.upper()}]") or 0) for name in ("cls", "sep", "pad")}


def logits(
    bert: AdaptedBert,
    batch: Batch,
    pairs: Mapping[str, tuple[Tensor, Tensor]],
    heads: Mapping[str, Tensor],
    dropout: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Return token logits (rows, tokens, 3: start, end, support) and pair logits (rows,)."""
    states = bert.hidden(batch, pairs, dropout).float()
    tokens = functional.linear(states, heads["tokens.weight"], heads["tokens.bias"])
    inner = torch.tanh(functional.linear(states[:, 0], heads["inner.weight"], heads["inner.bias"]))
    inner = functional.dropout(inner, dropout, training=dropout > 0)
    pair = functional.linear(inner, heads["pair.weight"], heads["pair.bias"]).squeeze(-1)
    return tokens, pair


def touched(offsets: Sequence[tuple[int, int]], start: int, end: int) -> slice:
    """Return the tokens that a piece of a text touches; `offsets` are the characters of each, in order."""
    first = bisect_right(offsets, start, key=lambda offset: offset[1])
    return slice(first, max(first, bisect_left(offsets, end, key=lambda offset: offset[0])))


def load_bert(folder: Path, device: str) -> tuple[AdaptedBert, Tokenizer]:
    """Load a BERT encoder (float32) and its tokenizer from a folder."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = BertShape(config["num_hidden_layers"], config["num_attention_heads"], config["layer_norm_eps"])
    weights = load_file(folder / "model.safetensors", device=device)
    floats = {name.removeprefix("bert."): t.float() for name, t in weights.items() if t.is_floating_point()}
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return AdaptedBert(floats, shape), tokenizer


def best_spans(tokens: Tensor, inside: Tensor) -> Tensor:
    """Return margin over no answer and the first and last token of each row's best span, shape (rows, 3).

    Tokens are logits of shape (rows, tokens, 3); `inside` is true for the passage tokens of each row.
    """
    width = tokens.shape[1]
    places = torch.arange(width, device=tokens.device)
    ahead = places[None, :] - places[:, None]
    allowed = ((ahead >= 0) & (ahead < LONGEST_ANSWER))[None] & inside[:, :, None] & inside[:, None, :]
    scores = (tokens[:, :, None, 0] + tokens[:, None, :, 1]).masked_fill(~allowed, float("-inf")).flatten(1)
    best, place = scores.max(dim=1)
    margin = best - tokens[:, 0, 0] - tokens[:, 0, 1]
    return torch.stack([margin, (place // width).float(), (place % width).float()], dim=1)
