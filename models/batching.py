"""Work that threads ask for at the same time, done together: one launch on a GPU costs as much for one row as for many.

Nobody waits for company: while one batch is computed, what arrives is the next.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(eq=False)
class _Ticket(Generic[Item, Result]):
    items: Sequence[Item]
    results: Future[Sequence[Result]] = field(default_factory=Future)


class Batcher(Generic[Item, Result]):
    """Gives the items of several callers to one function; safe to call from several threads."""

    def __init__(self, work: Callable[[list[Item]], Sequence[Result]], name: str, most: int = 4096) -> None:
        """`work` returns one result an item, and is only ever run by one thread; `most` items make a batch full."""
        self._work = work
        self._name = name
        self._most = most
        self._tickets: queue.SimpleQueue[_Ticket[Item, Result]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def __call__(self, items: Sequence[Item]) -> Sequence[Result]:
        """Return the result of each item.

        Raises:
            Exception: what the work raised for these items alone.
        """
        if not items:
            return []
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._thread.start()
        ticket: _Ticket[Item, Result] = _Ticket(items)
        self._tickets.put(ticket)
        return ticket.results.result()

    def _serve(self) -> None:
        while True:
            tickets = [self._tickets.get()]
            while sum(len(ticket.items) for ticket in tickets) < self._most:
                try:
                    tickets.append(self._tickets.get_nowait())
                except queue.Empty:
                    break
            self._run(tickets)

    def _run(self, tickets: Sequence[_Ticket[Item, Result]]) -> None:
        """Compute a batch; where it fails, each ticket alone, so that one caller's bad item fails that caller only."""
        try:
            results = self._work([item for ticket in tickets for item in ticket.items])
        except Exception as error:  # noqa: BLE001 - the thread's edge: whoever waits must hear of it
            if len(tickets) == 1:
                tickets[0].results.set_exception(error)
            for ticket in tickets if len(tickets) > 1 else ():
                self._run([ticket])
            return
        start = 0
        for ticket in tickets:
            ticket.results.set_result(results[start : start + len(ticket.items)])
            start += len(ticket.items)
