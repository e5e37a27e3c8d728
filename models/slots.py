"""Several adapters side by side in one pass: their ranks joined, and each row let through those of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from models.launcher import Launcher, Row
from models.lora import AdaptedBert, Batch, pooled

if TYPE_CHECKING:
    from models.adapter_files import Adapter


class Slots:
    """The encoder under every adapter at once; the label of a row is the place of its adapter."""

    def __init__(self, bert: AdaptedBert, adapters: Sequence[Adapter], dtype: torch.dtype) -> None:
        self._bert = as_dtype(bert, dtype)
        ranks = [max(down.shape[0] for down, _ in adapter.lora.values()) for adapter in adapters]
        starts = [sum(ranks[:place]) for place in range(len(ranks))]
        like = adapters[0].head_weight
        self._allowed = like.new_zeros(len(adapters), sum(ranks), dtype=dtype)
        for place, (start, rank) in enumerate(zip(starts, ranks, strict=True)):
            self._allowed[place, start : start + rank] = 1
        self._joined = {
            name: _joined(name, adapters, starts, sum(ranks), dtype)
            for name in sorted({name for adapter in adapters for name in adapter.lora})
        }
        self._heads = torch.cat([adapter.head_weight for adapter in adapters])
        self._bias = torch.cat([adapter.head_bias for adapter in adapters])
        self._first = torch.tensor([adapter.card["pooling"] == "cls" for adapter in adapters], device=like.device)

    def __call__(self, batch: Batch, labels: Tensor) -> Tensor:
        """Return the probability of each row's own adapter, shape (rows, 1)."""
        allowed = self._allowed[labels][:, None, :]
        lora = {name: (down, up, allowed) for name, (down, up) in self._joined.items()}
        states = self._bert.hidden(batch, lora).float()
        vectors = torch.where(self._first[labels][:, None], states[:, 0], pooled(states, batch.mask, "mean"))
        logits = (vectors * self._heads[labels]).sum(-1) + self._bias[labels]
        return torch.sigmoid(logits)[:, None]


def served_dtype(device: torch.device) -> torch.dtype:
    """Return the type that passes run in: half precision on a GPU, whose scores differ in the third decimal."""
    return torch.float16 if device.type == "cuda" else torch.float32


def as_dtype(bert: AdaptedBert, dtype: torch.dtype) -> AdaptedBert:
    """Return the encoder with its weights in another type."""
    return AdaptedBert({name: weight.to(dtype) for name, weight in bert.weights.items()}, bert.shape)


def _joined(
    name: str, adapters: Sequence[Adapter], starts: Sequence[int], rank: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return A of all adapters below one another and B beside one another, zeros where one leaves this map alone."""
    like_down, like_up = next(adapter.lora[name] for adapter in adapters if name in adapter.lora)
    down = like_down.new_zeros(rank, like_down.shape[1])
    up = like_up.new_zeros(like_up.shape[0], rank)
    for adapter, start in zip(adapters, starts, strict=True):
        if name in adapter.lora:
            own_down, own_up = adapter.lora[name]
            down[start : start + len(own_down)] = own_down
            up[:, start : start + own_up.shape[1]] = own_up
    return down.to(dtype), up.to(dtype)


class SlotScorer:
    """Scores framed rows under any of the adapters it has met in one launch; a new adapter means new graphs."""

    def __init__(self, bert: AdaptedBert) -> None:
        self._bert = bert
        self._adapters: list[Adapter] = []
        self._launch: Launcher | None = None

    def __call__(self, rows: Sequence[tuple[Adapter, Row]]) -> list[float]:
        """Return the probability of each row under its adapter."""
        launch, places = self._launcher([adapter for adapter, _ in rows])
        labelled = [replace(row, label=places[id(adapter)]) for adapter, row in rows]
        return [float(found[0]) for found in launch(labelled)]

    def warm(self, adapters: Sequence[Adapter]) -> None:
        """Record every shape for these adapters."""
        self._launcher(adapters)[0].warm()

    def _launcher(self, adapters: Sequence[Adapter]) -> tuple[Launcher, dict[int, int]]:
        known = {id(adapter) for adapter in self._adapters}
        fresh = {id(adapter): adapter for adapter in adapters if id(adapter) not in known}
        if fresh or self._launch is None:
            newer = {adapter.name for adapter in fresh.values()}
            self._adapters = [adapter for adapter in self._adapters if adapter.name not in newer] + [*fresh.values()]
            slots = Slots(self._bert, self._adapters, served_dtype(self._bert.device))
            self._launch = Launcher(slots, self._bert.device)
        return self._launch, {id(adapter): place for place, adapter in enumerate(self._adapters)}
