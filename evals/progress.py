"""Progress of a measurement, on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
LINE_EVERY_S = 15.0


def tracked(items: Sequence[T], label: str) -> Iterator[T]:
    """Yield the items, showing how many are done and the time left."""
    started = shown = time.monotonic()
    terminal = sys.stderr.isatty()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if done == len(items) or now - shown >= (0.2 if terminal else LINE_EVERY_S):
            shown = now
            left = (now - started) / done * (len(items) - done)
            _show(f"{label}: {done}/{len(items)}, {now - started:.0f} s, about {left:.0f} s left", terminal)
    if terminal and items:
        sys.stderr.write("\n")


def _show(line: str, terminal: bool) -> None:
    sys.stderr.write(f"\r\x1b[K{line}" if terminal else f"{line}\n")
    sys.stderr.flush()
