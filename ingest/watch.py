"""Follow folders: a run whenever what lies in them changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from core.errors import NotFound, TransientIngestError
from ingest.report import IngestReport
from ingest.walk import walk

POLL_S = 1.0
"""Listing a hundred thousand files takes about a second; changes are picked up within two polls and a run."""


def watch(
    paths: Sequence[Path], run: Callable[[], IngestReport], wait: Callable[[float], None] = time.sleep
) -> Iterator[IngestReport]:
    """Yield the report of a run at the start and after every change, for ever; a source that is away is waited for."""
    seen: dict[str, tuple[int, int]] | None = None
    while True:
        try:
            now = snapshot(paths)
            if now != seen:
                report = run()
                seen = now
                yield report
        except (TransientIngestError, NotFound):
            seen = None
        wait(POLL_S)


def snapshot(paths: Sequence[Path]) -> dict[str, tuple[int, int]]:
    """Return source → (time of change in ns, size) for every file below some paths."""
    found = {}
    for source in walk(paths):
        try:
            stat = source.path.stat()
        except OSError:
            continue
        found[source.source] = (max(stat.st_mtime_ns, stat.st_ctime_ns), stat.st_size)
    return found
