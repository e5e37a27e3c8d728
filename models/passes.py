"""The encoder's passes over windows of texts where no GPU records them: adapters mixed, or one with weights of its own.

A question is scored by several adapters at once, each row under its own low-rank pair. Pairs, such as claims beside
evidence, are asked of one adapter alone and are many: they pay for an encoder with that adapter in its weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.adapter_files import stacked
from models.launcher import framed
from models.lora import batch_of, pooled
from models.packed import PackedEncoders

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from models.adapter_files import Adapter
    from models.adapters import Window
    from models.lora import AdaptedBert, LoraWeights


class Passes:
    """Scores windows batch by batch; for one thread at a time."""

    def __init__(self, bert: AdaptedBert, tokenizer: Tokenizer) -> None:
        self._bert = bert
        self._special = special_tokens(tokenizer)
        self._packed = PackedEncoders(bert)
        self._stacks: dict[tuple[int, ...], LoraWeights] = {}

    def __call__(self, windows: Sequence[Window], adapters: Mapping[str, Adapter]) -> NDArray[np.float32]:
        """Return the probability of each window under its own adapter, shape (n,)."""
        names = sorted({window.adapter for window in windows})
        chosen = [adapters[name] for name in names]
        with torch.inference_mode():
            if len(chosen) == 1 and chosen[0].card.get("pair"):
                logits = self._alone(windows, chosen[0])
            else:
                logits = self._mixed(windows, [names.index(window.adapter) for window in windows], chosen)
            probabilities: NDArray[np.float32] = torch.sigmoid(logits).cpu().numpy()
        return probabilities

    def _alone(self, windows: Sequence[Window], adapter: Adapter) -> Tensor:
        cls, sep = self._special["cls"], self._special["sep"]
        rows = [framed(window.first, window.ids, cls=cls, sep=sep) for window in windows]
        states = self._packed.of(adapter).hidden(rows)
        vectors = torch.stack([one[0] if adapter.card["pooling"] == "cls" else one.mean(0) for one in states])
        return torch.nn.functional.linear(vectors, adapter.head_weight, adapter.head_bias)[:, 0]

    def _mixed(self, windows: Sequence[Window], places: Sequence[int], chosen: Sequence[Adapter]) -> Tensor:
        device = self._bert.device
        batch = batch_of([(window.first, window.ids) for window in windows], **self._special).to(device)
        rows = torch.tensor(places, device=device)
        states = self._bert.hidden(batch, self._pairs(chosen, rows))
        vectors = torch.stack([pooled(states, batch.mask, str(a.card["pooling"])) for a in chosen])
        picked = vectors[rows, torch.arange(len(rows), device=device)]
        weights = torch.cat([a.head_weight for a in chosen])[rows]
        return (picked * weights).sum(-1) + torch.cat([a.head_bias for a in chosen])[rows]

    def _pairs(self, adapters: Sequence[Adapter], rows: Tensor) -> LoraWeights:
        """Return one low-rank pair for all rows where they share an adapter, else each row's own."""
        if len(adapters) == 1:
            return adapters[0].lora
        key = tuple(id(adapter) for adapter in adapters)
        if key not in self._stacks:
            self._stacks[key] = stacked(adapters)
        return {name: (down[rows], up[rows]) for name, (down, up) in self._stacks[key].items()}


def special_tokens(tokenizer: Tokenizer) -> dict[str, int]:
    """Return the ids of the marks that stand around and between texts, and of padding."""
    return {name: int(tokenizer.token_to_id(f"[{name.upper()}]") or 0) for name in ("cls", "sep", "pad")}
