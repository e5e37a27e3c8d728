"""Encoder passes that cost the interpreter one launch on a GPU: recorded as CUDA graphs, replayed with new tokens.

Run step by step, a pass is some two hundred small kernels, and after each of them Python's lock has to be won back
from the threads of every other question: with sixteen questions at once that took the better part of a second where
the GPU computed for two milliseconds. A graph is recorded for each shape of a batch; batches are padded to the next.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.lora import Batch

ROWS = (1, 4, 16, 64, 256)
TOKENS = (16, 32, 64, 96, 128, 192, 256, 320, 384, 512)
"""Shapes that are recorded: padding costs a GPU little, a new shape some 30 ms once."""
MOST_TOKENS = 1 << 14
"""Of one launch, padding included."""
HEAD = 3
"""Numbers before a row's tokens: its length, where its second text begins (0 for a single text), its label."""

Compute: TypeAlias = Callable[[Batch, Tensor], Tensor]
"""From tokens and one label a row to one row of float32 results."""


@dataclass(frozen=True, slots=True)
class Row:
    """One framed text or pair; the label tells the pass what to do with it, such as under which adapter."""

    ids: Sequence[int]
    second_from: int = 0
    label: int = 0


@dataclass(frozen=True, slots=True)
class _Recorded:
    graph: Any
    given: Tensor
    found: Tensor


class Launcher:
    """Runs one kind of pass over rows of any number and length; for one thread at a time."""

    def __init__(
        self,
        compute: Compute,
        device: torch.device | str,
        most_tokens: int = MOST_TOKENS,
        widths: Sequence[int] = TOKENS,
    ) -> None:
        """`widths` are the lengths that are recorded, in tokens; rows longer than the last run step by step."""
        self._compute = compute
        self._device = torch.device(device)
        self._most = most_tokens
        self._widths = widths
        self._recorded: dict[tuple[int, int], _Recorded] = {}
        self._stream: Any = None
        self._pool: Any = None
        self._turn = threading.Lock()

    def __call__(self, rows: Sequence[Row]) -> list[NDArray[np.float32]]:
        """Return the results of each row; a row's result may be longer than its text, the rest means nothing."""
        found: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(rows)
        order = sorted(range(len(rows)), key=lambda index: len(rows[index].ids))
        with self._turn, torch.inference_mode():
            for chosen in self._batches(order, rows):
                results = self._run([rows[index] for index in chosen])
                for index, result in zip(chosen, results, strict=False):
                    found[index] = result
        return found

    def warm(self) -> None:
        """Record every shape now, so that no question waits for one."""
        if self._device.type != "cuda":
            return
        with self._turn, torch.inference_mode():
            for tokens in self._widths:
                for rows in ROWS:
                    if rows * tokens <= self._most:
                        self._shape(rows, tokens)
            torch.cuda.empty_cache()  # what was taken outside the recordings

    def _batches(self, order: Sequence[int], rows: Sequence[Row]) -> Iterator[list[int]]:
        """Cut an order that is shortest first into batches that fit a launch."""
        batch: list[int] = []
        for index in order:
            count, width = self._padded(len(batch) + 1, len(rows[index].ids))
            if batch and (count > ROWS[-1] or count * width > self._most):
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch

    def _run(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        longest = max(len(row.ids) for row in rows)
        if self._device.type != "cuda" or longest > self._widths[-1]:
            given = torch.from_numpy(packed(rows, len(rows), longest))
            return np.asarray(self._computed(given.to(self._device)).cpu().numpy())
        recorded = self._shape(*self._padded(len(rows), longest))
        given = torch.from_numpy(packed(rows, recorded.given.shape[0], recorded.given.shape[1] - HEAD))
        with torch.cuda.stream(self._stream):
            recorded.given.copy_(given)
            recorded.graph.replay()
            return np.asarray(recorded.found.cpu().numpy())

    def _padded(self, rows: int, tokens: int) -> tuple[int, int]:
        """Return the shape that is run for so many rows of so many tokens: on a CPU padding costs what it pads."""
        if self._device.type != "cuda":
            return rows, tokens
        return _at_least(ROWS, rows), _at_least(self._widths, tokens)

    def _computed(self, given: Tensor) -> Tensor:
        length, second, label = (given[:, column].long() for column in range(HEAD))
        ids = given[:, HEAD:].long()
        places = torch.arange(ids.shape[1], device=given.device)
        mask = places < length[:, None]
        segments = mask & (places >= second[:, None]) & (second[:, None] > 0)
        return self._compute(Batch(ids, segments.long(), mask.long()), label)

    def _shape(self, rows: int, tokens: int) -> _Recorded:
        """Return the graph of a shape, recording it the first time it is met."""
        if (rows, tokens) not in self._recorded:
            self._recorded[rows, tokens] = self._record(rows, tokens)
        return self._recorded[rows, tokens]

    def _record(self, rows: int, tokens: int) -> _Recorded:
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
            self._pool = torch.cuda.graph_pool_handle()
        given = torch.from_numpy(packed([], rows, tokens)).to(self._device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(self._stream):
            self._computed(given)  # kernels are chosen and workspaces taken outside the recording
            self._stream.synchronize()
            # other threads may allocate while this one records
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                found = self._computed(given)
            finally:
                graph.capture_end()
        return _Recorded(graph, given, found)


def packed(rows: Sequence[Row], count: int, tokens: int) -> NDArray[np.int32]:
    """Return the rows as one array, shape (count, HEAD + tokens); those beyond the given ones hold one token each."""
    array = np.zeros((count, HEAD + tokens), dtype=np.int32)
    array[:, 0] = 1  # attention over nothing is no number
    for place, row in enumerate(rows):
        array[place, :HEAD] = len(row.ids), row.second_from, row.label
        array[place, HEAD : HEAD + len(row.ids)] = row.ids
    return array


def framed(first: Sequence[int] | None, second: Sequence[int], label: int = 0, *, cls: int, sep: int) -> Row:
    """Return a text, or a pair where there is a first text, between the encoder's special tokens."""
    if first is None:
        return Row([cls, *second, sep], 0, label)
    return Row([cls, *first, sep, *second, sep], len(first) + 2, label)


def _at_least(sizes: Sequence[int], wanted: int) -> int:
    """Return the smallest size that holds what is wanted, or what is wanted where none does."""
    place = bisect_left(sizes, wanted)
    return sizes[place] if place < len(sizes) else wanted
