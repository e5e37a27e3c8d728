"""A measurement on its way: its progress on standard error, and whether what it is to write can be written."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from core.errors import InvalidInput

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


def require_folder(path: Path | None) -> None:
    """Refuse a file to write whose folder is not there, before the work that would be lost.

    Raises:
        InvalidInput: there is no such folder.
    """
    if path is not None and not path.parent.is_dir():
        raise InvalidInput(f"{path} cannot be written: there is no folder {path.parent}")


def _show(line: str, terminal: bool) -> None:
    sys.stderr.write(f"\r\x1b[K{line}" if terminal else f"{line}\n")
    sys.stderr.flush()
