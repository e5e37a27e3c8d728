"""Follow folders: a run whenever what lies in them changed; a file that is being written waits until it rests."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from core.errors import InvalidInput, NotFound, TransientIngestError
from ingest.report import IngestReport
from ingest.walk import walk, within_reach

POLL_S = 1.0
"""Listing a hundred thousand files takes about a second; changes are picked up within two polls, the rest and a run."""
REST_S = 2.0
"""A file written to since is taken for unfinished: programs that save piece by piece pause less than this."""
LONGEST_S = 600.0
"""A file that never rests, as a log, is read after so long as it stands."""
POLLS_AFTER_TROUBLE = 30
"""A run that failed is tried again after so many, or at once where something changed: each leaves a record."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
"""How a URL begins that was taken for a path, which has no two slashes in a row."""

Stamp: TypeAlias = tuple[Path, int, int]


class Writing:
    """Tells which files somebody is still writing, by the time of their last change.

    A renamed file keeps that time and is at rest at once. A share whose clock is ahead gets no such patience.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._since: dict[Path, float] = {}

    def __call__(self, path: Path) -> bool:
        """Tell whether a file is being written."""
        now = self._clock()
        try:
            busy = 0 <= now - path.stat().st_mtime < REST_S
        except OSError:
            busy = False  # whoever reads it says what is wrong
        if not busy:
            self._since.pop(path, None)
            return False
        if now - self._since.setdefault(path, now) < LONGEST_S:
            return True
        self._since[path] = now
        return False


def _to_the_console(message: str) -> None:
    sys.stderr.write(f"{message}\n")


def watch(
    paths: Sequence[Path],
    run: Callable[[], IngestReport],
    writing: Callable[[Path], bool],
    wait: Callable[[float], None] = time.sleep,
    home: Path | None = None,
    tell: Callable[[str], None] = _to_the_console,
) -> Iterator[IngestReport]:
    """Return the reports of a run at the start and after every change, for ever; a source that is away is waited for.

    The others are followed meanwhile: `run` takes what is within reach. It leaves out the files of which `writing`
    says so; what had been seen of them counts until they rest. What changes in the `home`, as it does with every run,
    is no change. `tell` is told once what is waited for.

    Raises:
        InvalidInput: a path can never be watched: standard input or a web address, told before anything is read; a
            pipe, told with the first report.
    """
    for path in paths:
        if str(path) == "-" or (_ADDRESS.match(str(path)) and not path.exists()):
            raise InvalidInput(f"{path} cannot be watched; name files and folders of this machine")
    return _follow(paths, run, writing, wait, home, tell)


def _follow(
    paths: Sequence[Path],
    run: Callable[[], IngestReport],
    writing: Callable[[Path], bool],
    wait: Callable[[float], None],
    home: Path | None,
    tell: Callable[[str], None],
) -> Iterator[IngestReport]:
    seen: dict[str, Stamp] | None = None
    tried: dict[str, Stamp] | None = None
    polls, trouble, missed = 0, "", list[str]()
    while True:
        there, away = within_reach(paths)
        for reason in (one for one in away if one not in missed):
            tell(f"waiting: {reason}")
        missed = away
        try:
            now = _resting(snapshot(there, home), seen or {}, writing)
            polls = polls + 1 if now == tried else POLLS_AFTER_TROUBLE
            if there and now != seen and polls >= POLLS_AFTER_TROUBLE:
                tried, polls = now, 0
                report = run()
                seen, tried, trouble = now, None, ""
                yield report
        except (TransientIngestError, NotFound) as error:
            seen = None
            if str(error) != trouble:
                trouble = str(error)
                tell(f"waiting: {trouble}")
        wait(POLL_S)


def _resting(found: dict[str, Stamp], seen: dict[str, Stamp], writing: Callable[[Path], bool]) -> dict[str, Stamp]:
    """Return what is there, of files that changed and are being written what was there before."""
    resting = {}
    for source, stamp in found.items():
        if seen.get(source) == stamp or not writing(stamp[0]):
            resting[source] = stamp
        elif source in seen:
            resting[source] = seen[source]
    return resting


def snapshot(paths: Sequence[Path], home: Path | None = None) -> dict[str, Stamp]:
    """Return source → (path, time of change in ns, size) for every file below some paths and outside the home."""
    found = {}
    for source in walk(paths, home=home):
        try:
            stat = source.path.stat()
        except OSError:
            continue
        found[source.source] = (source.path, max(stat.st_mtime_ns, stat.st_ctime_ns), stat.st_size)
    return found
