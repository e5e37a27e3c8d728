"""A stream read so that its reader is never stuck: Streamlit stops a script only between two of its commands."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class _End(Generic[T]):
    """The end of the stream, and the error it ended with."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error


def with_heartbeat(items: Iterable[T], every_s: float) -> Iterator[T | None]:
    """Yield the items as they come, and `None` whenever none came for `every_s` seconds."""
    arrived: SimpleQueue[T | _End[T]] = SimpleQueue()

    def read() -> None:
        error = None
        try:
            for item in items:
                arrived.put(item)
        except Exception as caught:  # noqa: BLE001 - a thread's edge: raised again in the reader's thread
            error = caught
        arrived.put(_End(error))

    threading.Thread(target=read, name="stream-reader", daemon=True).start()
    while True:
        try:
            item = arrived.get(timeout=every_s)
        except Empty:
            yield None
            continue
        if not isinstance(item, _End):
            yield item
        elif item.error is None:
            return
        else:
            raise item.error
