"""The order in which uploads are ingested: as they were acknowledged, but for those that wait to be tried again."""

from __future__ import annotations

import heapq
import threading
import time
from dataclasses import dataclass, field

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
"""A disk that has room again, or a store that is back, is noticed within five minutes."""


@dataclass(order=True, slots=True)
class Job:
    """An upload that waits for its turn: due at a moment of the monotonic clock, after those queued before."""

    due: float
    number: int
    run_id: str = field(compare=False)
    attempts: int = field(default=0, compare=False)


class UploadQueue:
    """Uploads for one thread to take, each when it is due."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._number = 0
        self._changed = threading.Condition()
        self._until: float | None = None
        """When to stop, by the monotonic clock; `None` while the server goes on."""

    def put(self, run_id: str, attempts: int = 0) -> None:
        """Let an upload wait for its turn; after failed attempts, longer each time."""
        pause_s = min(FIRST_PAUSE_S * 2 ** min(attempts - 1, 10), LONGEST_PAUSE_S) if attempts else 0.0
        with self._changed:
            self._number += 1
            heapq.heappush(self._jobs, Job(time.monotonic() + pause_s, self._number, run_id, attempts))
            self._changed.notify()

    def take(self) -> Job | None:
        """Return the upload whose turn it is, when it is due; `None` at the end."""
        with self._changed:
            while True:
                in_s = self._jobs[0].due - time.monotonic() if self._jobs else None
                if self._until is not None and (in_s is None or in_s > 0 or time.monotonic() > self._until):
                    return None
                if in_s is not None and in_s <= 0:
                    return heapq.heappop(self._jobs)
                self._changed.wait(in_s)

    def stops_within(self, seconds: float) -> bool:
        """Wait, and say whether the end comes meanwhile."""
        with self._changed:
            return self._changed.wait_for(lambda: self._until is not None, seconds)

    def stop(self, wait_s: float) -> None:
        """Give out what is due for so long and then nothing more."""
        with self._changed:
            self._until = time.monotonic() + wait_s
            self._changed.notify()
