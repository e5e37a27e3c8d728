"""What a person sees while a run goes on: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from ingest.report import Progress

LINE_INTERVAL_S = 5.0


def make_progress() -> Progress:
    """Return a bar where standard error is a terminal, otherwise plain lines."""
    return Bar() if sys.stderr.isatty() else Lines()


class Lines:
    """Prints a line every few seconds."""

    def __init__(self) -> None:
        self._total = self._done = self._failed = self._chunks = 0
        self._began = self._last = time.monotonic()

    def start(self, total: int) -> None:
        """Say how much there is."""
        self._total = total
        self._began = self._last = time.monotonic()

    def parsed(self, source: str) -> None:
        """Say nothing."""

    def embedded(self, chunks: int) -> None:
        """Count, and speak now and then."""
        self._chunks += chunks
        self._speak()

    def committed(self, source: str) -> None:
        """Count, and speak now and then."""
        self._done += 1
        self._speak()

    def failed(self, source: str, error: str) -> None:
        """Name the source that failed at once."""
        self._failed += 1
        sys.stderr.write(f"failed: {source}: {error}\n")

    def finish(self) -> None:
        """Say nothing: the summary follows."""

    def _speak(self) -> None:
        moment = time.monotonic()
        if moment - self._last < LINE_INTERVAL_S:
            return
        self._last = moment
        elapsed = max(moment - self._began, 0.001)
        done = self._done + self._failed
        left = (self._total - done) * elapsed / done if done and self._total else 0.0
        rate = self._chunks / elapsed
        sys.stderr.write(f"{done}/{self._total or '?'} documents, {rate:.0f} chunks/s, {left:.0f} s left\n")


class Bar:
    """A progress bar: documents, chunks a second, time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("ingesting"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("documents  {task.fields[rate]} chunks/s"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task: Any = None
        self._chunks = 0
        self._began = time.monotonic()

    def start(self, total: int) -> None:
        """Show the bar."""
        self._began = time.monotonic()
        self._task = self._bar.add_task("ingest", total=total or None, rate="0")
        self._bar.start()

    def parsed(self, source: str) -> None:
        """Show nothing."""

    def embedded(self, chunks: int) -> None:
        """Show the rate."""
        self._chunks += chunks
        rate = self._chunks / max(time.monotonic() - self._began, 0.001)
        self._bar.update(self._task, rate=f"{rate:.0f}")

    def committed(self, source: str) -> None:
        """Move on by one."""
        self._bar.advance(self._task)

    def failed(self, source: str, error: str) -> None:
        """Move on by one and name the source."""
        self._bar.advance(self._task)
        self._console.print(f"failed: {source}: {error}", markup=False, highlight=False)

    def finish(self) -> None:
        """Take the bar away."""
        self._bar.stop()
