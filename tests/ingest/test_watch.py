"""Following a folder: a run at the start and after every change, and patience with a source that is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from core.errors import SourceUnavailable
from ingest.report import IngestReport
from ingest.watch import POLL_S, watch
from tests.ingest.conftest import Run


def once(*steps: Callable[[], object]) -> Callable[[float], None]:
    """A wait that does the next step instead of waiting, and nothing when they are done."""
    left = list(steps)
    return lambda _: left.pop(0)() if left else None  # type: ignore[func-returns-value]


def test_every_change_is_followed_by_one_run(run: Run, docs: Path) -> None:
    page = docs / "a.md"
    page.write_text("# A\n\nOne.\n")
    wait = once(
        lambda: None,
        lambda: page.write_text("# A\n\nAnother, longer one.\n"),
        lambda: (docs / "b.md").write_text("# B\n\nTwo.\n"),
        lambda: None,
        lambda: page.unlink(),
    )
    reports = list(islice(watch([docs], lambda: run(sync=True), wait), 4))
    assert [(r.added, r.updated, r.deleted) for r in reports] == [(1, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)]


def test_a_source_that_is_away_is_waited_for(docs: Path) -> None:
    (docs / "a.md").write_text("# A\n")
    outcomes = [SourceUnavailable("the share is away"), SourceUnavailable("still away"), IngestReport("r")]

    def run() -> IngestReport:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert next(watch([docs], run, once())).run_id == "r"
    assert outcomes == []


def test_a_change_is_noticed_within_two_polls(docs: Path) -> None:
    page = docs / "a.md"
    page.write_text("# A\n")
    following = watch([docs], lambda: IngestReport("r"))
    next(following)
    page.write_text("# A, changed\n")
    began = time.monotonic()
    next(following)
    assert time.monotonic() - began < 2 * POLL_S + 1.0
