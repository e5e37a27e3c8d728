"""What a person sees while a run goes on: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import Any

from ingest.report import Progress

LINE_INTERVAL_S = 5.0
WINDOW_S = 120.0
"""The time left is told from what went by lately: the head of a folder says little about its end."""
SETTLED_S, SETTLED_DOCUMENTS = 20.0, 10
"""Before so much went by, any figure would be a guess: the first documents wait for the model to be loaded."""


def make_progress() -> Progress:
    """Return a bar where standard error is a terminal, otherwise plain lines."""
    return Bar() if sys.stderr.isatty() else Lines()


class Tally:
    """Counts what happens in a run, and says what is being done and how long it may take."""

    def __init__(self) -> None:
        self.total = self.read = self.stored = self.failed = self.passages = 0
        self.began = time.monotonic()
        self._marks: deque[tuple[float, int]] = deque()

    @property
    def done(self) -> int:
        """How many documents are done with, in the store or not."""
        return self.stored + self.failed

    def mark(self) -> None:
        """Remember when a document was done with."""
        moment = time.monotonic()
        self._marks.append((moment, self.done))
        while moment - self._marks[0][0] > WINDOW_S:
            self._marks.popleft()

    def doing(self) -> str:
        """Say what is under way."""
        if not self.read and not self.done:
            return "starting the parsers"
        if not self.passages and not self.stored:
            return "loading the embedding model"
        return "reading and embedding" if self.read + self.failed < self.total else "embedding what was read"

    def rate(self) -> float:
        """Return the passages embedded a second so far."""
        return self.passages / max(time.monotonic() - self.began, 0.001)

    def left(self) -> str:
        """Say how long it may take still; nothing while that cannot be told."""
        if not self._marks or not self.total:
            return ""
        (first, before), (last, after) = self._marks[0], self._marks[-1]
        if last - first < SETTLED_S or after - before < SETTLED_DOCUMENTS:
            return ""
        return f"about {_span((self.total - self.done) * (last - first) / (after - before))} left"


def _span(seconds: float) -> str:
    """Return a length of time as a person says it."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Lines:
    """Prints a line every few seconds."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._last = time.monotonic()

    def start(self, total: int) -> None:
        """Say how much there is."""
        self._tally.total = total
        if total:
            sys.stderr.write(f"{total} {'file' if total == 1 else 'files'} to look at\n")

    def found(self, more: int) -> None:
        """Count what was found inside a file."""
        self._tally.total += more

    def parsed(self, source: str) -> None:
        """Count, and speak now and then."""
        self._tally.read += 1
        self._speak()

    def embedded(self, chunks: int) -> None:
        """Count, and speak now and then."""
        self._tally.passages += chunks
        self._speak()

    def committed(self, source: str) -> None:
        """Count, and speak now and then."""
        self._tally.stored += 1
        self._tally.mark()
        self._speak()

    def failed(self, source: str, error: str) -> None:
        """Name the source that failed at once."""
        self._tally.failed += 1
        self._tally.mark()
        sys.stderr.write(f"failed: {source}: {error}\n")

    def finish(self) -> None:
        """Say nothing: the summary follows."""

    def _speak(self) -> None:
        moment = time.monotonic()
        if moment - self._last < LINE_INTERVAL_S:
            return
        self._last, tally = moment, self._tally
        failed = f", {tally.failed} failed" if tally.failed else ""
        parts = [
            f"{tally.stored} of {tally.total or '?'} documents in the store{failed}",
            f"{tally.passages:,} passages embedded, {tally.rate():.0f}/s" if tally.passages else "",
            tally.doing(),
            tally.left(),
        ]
        sys.stderr.write("; ".join(part for part in parts if part) + "\n")


class Bar:
    """A progress bar: what is being done, documents, passages a second, time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._tally = Tally()
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("documents  {task.fields[rate]}  {task.fields[left]}"),
            console=self._console,
        )
        self._task: Any = None

    def start(self, total: int) -> None:
        """Show the bar."""
        self._tally.total = total
        self._task = self._bar.add_task(self._tally.doing(), total=total or None, rate="", left="")
        self._bar.start()

    def found(self, more: int) -> None:
        """Make the bar longer."""
        self._tally.total += more
        self._show()

    def parsed(self, source: str) -> None:
        """Say that reading has begun."""
        self._tally.read += 1
        self._show()

    def embedded(self, chunks: int) -> None:
        """Show the rate."""
        self._tally.passages += chunks
        self._show()

    def committed(self, source: str) -> None:
        """Move on by one."""
        self._tally.stored += 1
        self._tally.mark()
        self._show()

    def failed(self, source: str, error: str) -> None:
        """Move on by one and name the source."""
        self._tally.failed += 1
        self._tally.mark()
        self._show()
        self._console.print(f"failed: {source}: {error}", markup=False, highlight=False)

    def finish(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def _show(self) -> None:
        tally = self._tally
        rate = f"{tally.rate():.0f} passages/s" if tally.passages else ""
        total = tally.total or None
        self._bar.update(
            self._task, description=tally.doing(), completed=tally.done, total=total, rate=rate, left=tally.left()
        )
