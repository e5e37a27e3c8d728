"""The embedding stage: a thread that keeps the encoder busy with batches that cross documents."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import numpy as np

from core.errors import AttestError
from ingest.prepared import Prepared

if TYPE_CHECKING:
    from models.encoder import Encoder

BATCH_CHUNKS = 512
"""Passages encoded at once: enough that sorting by length pays, few enough that commits flow."""


class _Stopped(Exception):
    """The run was stopped in the middle of a batch."""


class EmbeddingStage:
    """Fills in the missing vectors of documents in the order they come; `done` is called from its thread."""

    def __init__(
        self,
        encoder: Encoder,
        done: Callable[[Prepared], None],
        failed: Callable[[BaseException], None],
        on_batch: Callable[[int], None],
    ) -> None:
        self.busy_s = 0.0
        self._encoder, self._done, self._failed, self._on_batch = encoder, done, failed, on_batch
        self._inbox: SimpleQueue[Prepared | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="embed", daemon=True)
        self._thread.start()

    def put(self, prepared: Prepared) -> None:
        """Hand over a document whose `missing` vectors are wanted."""
        self._inbox.put(prepared)

    def close(self) -> None:
        """Stop after the batch in hand."""
        self._stopping.set()
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while (batch := self._gather()) is not None:
                self._encode(batch)
                for prepared in batch:
                    self._done(prepared)
        except _Stopped:
            return
        except (AttestError, RuntimeError, ValueError, MemoryError, OSError) as error:
            if not self._stopping.is_set():
                self._failed(error)

    def _heard(self, _done: int) -> None:
        """Leave the batch in hand at once where the run was stopped."""
        if self._stopping.is_set():
            raise _Stopped

    def _gather(self) -> list[Prepared] | None:
        """Wait for a document and take along what else is ready, up to a batch."""
        first = self._inbox.get()
        if first is None:
            return None
        batch, count = [first], len(first.missing)
        while count < BATCH_CHUNKS:
            try:
                another = self._inbox.get_nowait()
            except Empty:
                break
            if another is None:
                return None
            batch.append(another)
            count += len(another.missing)
        return batch

    def _encode(self, batch: list[Prepared]) -> None:
        places = [(prepared, number) for prepared in batch for number in prepared.missing]
        for start in range(0, len(places), BATCH_CHUNKS):
            if self._stopping.is_set():
                return
            part = places[start : start + BATCH_CHUNKS]
            began = time.perf_counter()
            vectors = self._encoder.encode([p.chunks[number].embedded for p, number in part], "document", self._heard)
            self.busy_s += time.perf_counter() - began
            for (prepared, number), vector in zip(part, np.asarray(vectors, dtype=np.float32), strict=True):
                prepared.vectors[number] = vector
            self._on_batch(len(part))
