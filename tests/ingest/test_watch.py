"""Following a folder: a run at the start and after every change, and patience with a source that is away."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import InvalidInput, SourceUnavailable
from core.settings import Settings
from ingest.cli import cli
from ingest.report import IngestReport
from ingest.walk import LeftOut, walk, within_reach
from ingest.watch import LONGEST_S, POLL_S, POLLS_AFTER_TROUBLE, REST_S, Writing, watch
from tests.ingest.conftest import Run


def once(*steps: Callable[[], object]) -> Callable[[float], None]:
    """A wait that does the next step instead of waiting, and nothing when they are done."""
    left = list(steps)
    return lambda _: left.pop(0)() if left else None  # type: ignore[func-returns-value]


def at_rest(path: Path) -> bool:
    """Nobody is writing."""
    return False


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
    reports = list(islice(watch([docs], lambda: run(sync=True), at_rest, wait), 4))
    assert [(r.added, r.updated, r.deleted) for r in reports] == [(1, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)]


def test_a_source_that_is_away_is_waited_for(docs: Path) -> None:
    (docs / "a.md").write_text("# A\n")
    outcomes = [SourceUnavailable("the share is away"), SourceUnavailable("still away"), IngestReport("r")]

    def run() -> IngestReport:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert next(watch([docs], run, at_rest, once())).run_id == "r"
    assert outcomes == []


def test_a_change_is_noticed_within_two_polls(docs: Path) -> None:
    page = docs / "a.md"
    page.write_text("# A\n")
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        assert sum(waited) <= 2 * POLL_S

    following = watch([docs], lambda: IngestReport("r"), at_rest, wait)
    next(following)
    page.write_text("# A, changed\n")
    next(following)
    assert waited


def test_a_file_that_is_being_written_waits_until_it_rests(run: Run, docs: Path) -> None:
    moment = [time.time()]
    writing = Writing(lambda: moment[0])
    page, slow = docs / "a.md", docs / "slow.md"
    page.write_text("# A\n\nOne.\n")
    os.utime(page, (moment[0] - 60, moment[0] - 60))

    def write(text: str) -> None:
        slow.write_text(text)
        moment[0] += 1
        os.utime(slow, (moment[0], moment[0]))

    def rest() -> None:
        moment[0] += REST_S

    wait = once(
        lambda: write("# Slow\n\nHalf"), lambda: write("# Slow\n\nHalf of it."), rest, lambda: write("# Slow"), rest
    )
    following = watch([docs], lambda: run(sync=True, busy=writing), writing, wait)
    reports = list(islice(following, 3))
    assert [(r.added, r.updated, r.unchanged, r.deleted) for r in reports] == [(1, 0, 0, 0), (1, 0, 1, 0), (0, 1, 1, 0)]


def test_a_change_beside_a_file_being_written_deletes_nothing(run: Run, docs: Path) -> None:
    page, log = docs / "a.md", docs / "log.md"
    page.write_text("# A\n\nOne.\n")
    log.write_text("# Log\n\nStarted.\n")
    run()
    log.write_text("# Log\n\nStarted. Still wri")
    page.write_text("# A\n\nOne and two.\n")
    report = run(sync=True, busy=lambda path: path == log)
    assert (report.added, report.updated, report.unchanged, report.deleted) == (0, 1, 0, 0)


def test_a_file_that_never_rests_is_read_as_it_stands(tmp_path: Path) -> None:
    log, moment = tmp_path / "log.txt", [1e9]
    log.write_text("line")
    writing = Writing(lambda: moment[0])
    told = []
    for _ in range(int(LONGEST_S) + 2):
        os.utime(log, (moment[0], moment[0]))
        told.append(writing(log))
        moment[0] += 1
    assert told.count(False) == 1


def test_what_editors_and_browsers_keep_beside_a_file_is_left_out_unless_named(docs: Path) -> None:
    for name in ("a.md", "a.md~", "#a.md#", ".a.md.swp", "~$a.docx", "b.pdf.part", "c.pdf.crdownload", "d.TMP"):
        (docs / name).write_text("text")
    assert [source.name for source in walk([docs])] == ["a.md"]
    assert [source.name for source in walk([docs / "d.TMP"])] == ["d.TMP"]


def test_what_is_waited_for_is_told_once(docs: Path) -> None:
    folder, told = docs / "later", list[str]()
    steps = once(lambda: None, lambda: None, folder.mkdir)
    next(watch([folder], lambda: IngestReport("r"), at_rest, steps, tell=told.append))
    assert told == [f"waiting: no such file or folder: {folder}"]


def test_the_others_are_followed_while_one_folder_is_away(run: Run, tmp_path: Path) -> None:
    here, share, told = tmp_path / "here", tmp_path / "share", list[str]()
    for folder in (here, share):
        folder.mkdir()
        (folder / "a.md").write_text(f"# In {folder.name}\n")

    def run_what_is_there() -> IngestReport:
        return run(*within_reach([here, share])[0], sync=True)

    steps = once(
        lambda: share.rename(tmp_path / "away"),
        lambda: (here / "b.md").write_text("# B\n"),
        lambda: (tmp_path / "away").rename(share),
    )
    reports = list(islice(watch([here, share], run_what_is_there, at_rest, steps, tell=told.append), 4))
    assert [(report.seen, report.added, report.deleted) for report in reports] == [
        (2, 2, 0),
        (1, 0, 0),
        (2, 1, 0),
        (3, 0, 0),
    ]
    assert told == [f"waiting: no such file or folder: {share}"]


def test_a_run_that_failed_is_not_tried_again_with_every_poll(docs: Path) -> None:
    (docs / "a.md").write_text("# A\n")
    runs, polls, told = list[int](), list[float](), list[str]()

    def run() -> IngestReport:
        runs.append(len(polls))
        if not (docs / "b.md").exists():
            raise SourceUnavailable("the share is empty")
        return IngestReport("r")

    def wait(seconds: float) -> None:
        polls.append(seconds)
        if len(polls) == POLLS_AFTER_TROUBLE + 5:
            (docs / "b.md").write_text("# B\n")

    next(watch([docs], run, at_rest, wait, tell=told.append))
    assert runs == [0, POLLS_AFTER_TROUBLE, POLLS_AFTER_TROUBLE + 5]
    assert told == ["waiting: the share is empty"]


@pytest.mark.parametrize("path", ["-", "https:/example.org/news", "s3:/bucket"])
def test_what_can_never_change_is_not_watched(path: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be watched"):
        next(watch([Path(path)], lambda: IngestReport("r"), at_rest, once()))


def test_a_pipe_is_refused(docs: Path) -> None:
    os.mkfifo(docs / "pipe")
    with pytest.raises(InvalidInput, match="a pipe"):
        list(walk([docs / "pipe"]))


def test_the_home_below_a_folder_is_left_out_and_no_change(docs: Path) -> None:
    home = docs / "deep" / "home"
    (home / "blobs").mkdir(parents=True)
    (docs / "a.md").write_text("# A\n")
    (home / "blobs" / "0").write_text("What was deleted.")
    left_out: list[LeftOut] = []
    assert [source.name for source in walk([docs], left_out.append, home)] == ["a.md"]
    assert list(walk([home], left_out.append, home)) == []
    assert left_out == [LeftOut(f"{home}/", "the data folder of Attest itself")] * 2

    def run() -> IngestReport:
        (home / f"run{len(runs)}").write_text("its record")
        runs.append((docs / "b.md").exists())
        return IngestReport(str(len(runs)))

    runs: list[bool] = []
    steps = once(lambda: None, lambda: None, lambda: (docs / "b.md").write_text("# B\n"))
    list(islice(watch([docs], run, at_rest, steps, home), 2))
    assert runs == [False, True]


@pytest.mark.parametrize("path", ["-", "https://example.org/news"])
def test_nothing_is_said_to_be_watched_that_cannot_be(
    path: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTEST_HOME", str(settings.home))
    result = CliRunner().invoke(cli, [path, "--watch"])
    assert isinstance(result.exception, InvalidInput)
    assert "watching" not in result.stderr
