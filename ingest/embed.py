"""The embedding stage: a thread that keeps the encoder busy with batches that cross documents."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ingest.prepared import Prepared

if TYPE_CHECKING:
    from models.encoder import Encoder

BATCH_CHUNKS = 512
"""Passages encoded at once at most: enough that sorting by length pays."""
LEAST_CHUNKS = 64
BATCH_S = 8.0
"""How long one batch may take at the pace so far: commits flow on slow machines too, and a kill loses less."""
MAX_SEEN = 8192
"""Passages remembered, 3 kB each."""


class _Stopped(Exception):
    """The run was stopped in the middle of a batch."""


class _Waiting:
    """A document of which some passages are still to be encoded."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared, self._at = prepared, 0

    @property
    def left(self) -> int:
        return len(self.prepared.missing) - self._at

    def take(self, most: int) -> list[tuple[Prepared, int]]:
        numbers = self.prepared.missing[self._at : self._at + most]
        self._at += len(numbers)
        return [(self.prepared, number) for number in numbers]


class EmbeddingStage:
    """Fills in the missing vectors of documents, short ones beside a long one; `done` is called from its thread."""

    def __init__(
        self,
        encoder: Encoder,
        done: Callable[[Prepared], None],
        failed: Callable[[BaseException], None],
        on_batch: Callable[[int], None],
    ) -> None:
        self.busy_s = 0.0
        self._encoder, self._done, self._failed, self._on_batch = encoder, done, failed, on_batch
        self._seen: dict[str, NDArray[np.float32]] = {}
        """Passage → its vector: what pages repeat, in one batch or in another, is encoded once."""
        self._most = LEAST_CHUNKS
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
        waiting: list[_Waiting] = []
        try:
            while self._gather(waiting):
                self._encode(_pick(waiting, self._most))
                for one in [one for one in waiting if not one.left]:
                    waiting.remove(one)
                    self._done(one.prepared)
        except _Stopped:
            return
        except BaseException as error:  # noqa: BLE001  thread edge: whatever it is, the run that waits is told
            if not self._stopping.is_set():
                self._failed(error)

    def _heard(self, _done: int) -> None:
        """Leave the batch in hand at once where the run was stopped."""
        if self._stopping.is_set():
            raise _Stopped

    def _gather(self, waiting: list[_Waiting]) -> bool:
        """Add what is ready, waiting for a document where there is none; tell whether to go on."""
        while True:
            try:
                prepared = self._inbox.get(block=not waiting)
            except Empty:
                return True
            if prepared is None:
                return False
            waiting.append(_Waiting(prepared))

    def _encode(self, places: list[tuple[Prepared, int]]) -> None:
        self._heard(0)
        texts = [prepared.chunks[number].embedded for prepared, number in places]
        new = [text for text in dict.fromkeys(texts) if text not in self._seen]
        began = time.perf_counter()
        vectors = self._encoder.encode(new, "document", self._heard) if new else ()
        took_s = time.perf_counter() - began
        self.busy_s += took_s
        if new:
            self._most = max(LEAST_CHUNKS, min(BATCH_CHUNKS, int(len(new) * BATCH_S / max(took_s, 1e-3))))
        if len(self._seen) + len(new) > MAX_SEEN:
            self._seen = {text: self._seen[text] for text in texts if text in self._seen}
        self._seen.update(zip(new, np.asarray(vectors, dtype=np.float32), strict=True))
        for (prepared, number), text in zip(places, texts, strict=True):
            prepared.vectors[number] = self._seen[text]
        self._on_batch(len(places))


def _pick(waiting: list[_Waiting], most: int) -> list[tuple[Prepared, int]]:
    """Take a batch: half of it from the oldest document, the rest from the shortest first, then the oldest again.

    So a document of a hundred thousand passages goes on, and does not keep a hundred short ones from the store.
    """
    oldest = waiting[0]
    places = oldest.take(most // 2)
    for one in [*sorted(waiting[1:], key=lambda one: one.left), oldest]:
        places += one.take(most - len(places))
    return places
