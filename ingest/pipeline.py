"""The loop that moves files through parsing, chunking, embedding and the store, several at once.

Parsing runs in processes, embedding in a thread; everything else, commits too, happens in the thread that calls
`run`. How much is under way is bounded, so that memory is.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from core.blobs import BlobStore
from core.db.session import Database
from core.errors import AttestError
from core.settings import Settings
from ingest.committing import Committer
from ingest.cutting import Cutting
from ingest.embed import EmbeddingStage
from ingest.events import Broken, Event, outcome
from ingest.known import Known
from ingest.parser_process import ParseJob
from ingest.prepare import Preparer
from ingest.prepared import Prepared
from ingest.quality import Scan, judge
from ingest.remote import Listed, Missed
from ingest.report import IngestOptions, IngestReport, Progress
from ingest.sandbox import KEEPERS, ParseResult, ParserPool
from ingest.sketch import sketch_of
from ingest.sync import delete_sources, forget_opened, move_documents, moves, vanished, vanished_objects
from ingest.triage import Triage
from ingest.walk import Source

if TYPE_CHECKING:
    from ingest.scale import DaskPool
    from models.encoder import Encoder

MAX_CHUNKS_WAITING = 4096
"""Passages between parser and store; past it no new file is read."""
MAX_CHUNKS_COUNTED = 1024
"""Of one document: a giant leaves room for the files behind it."""


class Pipeline:
    """One run over many files."""

    def __init__(
        self,
        report: IngestReport,
        options: IngestOptions,
        database: Database,
        settings: Settings,
        provide: Callable[[], Encoder],
        progress: Progress,
        scan: Scan | None = None,
        origins: Mapping[str, str] | None = None,
    ) -> None:
        """`origins`: source → the address that was named and led to it."""
        self._report, self._options, self._progress, self._scan = report, options, progress, scan
        self._database, self._settings = database, settings
        self._known = Known(database, options.collection)
        self._preparer = Preparer(database, options.collection, settings, provide, self._known)
        self._origins = origins or {}
        committer = Committer(report, options, progress, database, settings, self._preparer, self._origins)
        self._committer, self._containers = committer, committer.containers
        self._triage = Triage(options, self._known, committer.containers, committer.asked, committer.failures)
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._waiting: deque[Source] = deque()
        self._parsing = self._chunks_waiting = self._embedding = 0
        self._pool: ParserPool | DaskPool | None = None
        self._cutting: Cutting | None = None
        self._stage: EmbeddingStage | None = None

    def run(
        self,
        files: Sequence[Source],
        roots: Sequence[Path] = (),
        missed: Sequence[Missed] = (),
        listed: Sequence[Listed] = (),
    ) -> None:
        """Bring the files in and list what was missed; with `sync`, what vanished from below the roots goes.

        So does what vanished from the `listed` folders of object stores.

        Raises:
            IndexMismatch: the store was built with another embedder or chunker.
            SourceUnavailable: a root that documents came from is empty.
        """
        self._report.seen = len(files) + len(missed)
        self._progress.start(self._report.seen)
        for one in missed:
            self._committer.fail(one.source, one.error)
        shut = [one.source.source for one in missed]
        gone = self._follow_moves(files, roots, shut, listed) if self._options.sync else []
        if self._options.dry_run:
            self._plan(files, gone)
        else:
            self._ingest(files)
            self._report.deleted = delete_sources(self._database, self._options.collection, gone)
            self._strike(roots, shut)
        self._progress.finish()

    def _strike(self, roots: Sequence[Path], shut: Sequence[str]) -> None:
        """Take off the list of failures what can be reached by now and what is gone; the terms they held are used."""
        forget_opened(self._database, self._options.collection, self._known, shut)
        failed = {failure.source for failure in self._report.failed}
        self._committer.failures.forget(*set(self._origins.values()) - failed)
        self._committer.failures.forget_gone(roots)

    def _follow_moves(
        self, files: Sequence[Source], roots: Sequence[Path], shut: Sequence[str], listed: Sequence[Listed]
    ) -> list[str]:
        """Keep the identity of files that were moved, and return the sources that are gone."""
        gone = vanished(roots, files, self._known, shut) + vanished_objects(listed, files, self._known)
        moved = moves(gone, files, self._known)
        self._report.moved = len(moved)
        if moved and not self._options.dry_run:
            move_documents(self._database, self._options.collection, moved)
        self._known.rename(moved)
        return [source for source in gone if source not in moved]

    def _plan(self, files: Sequence[Source], gone: Sequence[str]) -> None:
        """Say what a run would do."""
        report = self._report
        for file in files:
            if self._passed_over(file):
                continue
            if self._triage.unchanged(file):
                report.unchanged += 1
            else:
                report.plan(file.source, known=self._known.holds(file.source))
        report.deleted = len(gone)
        report.planned += [{"source": source, "action": "delete"} for source in gone]

    def _ingest(self, files: Sequence[Source]) -> None:
        self._waiting.extend(files)
        while True:
            self._feed()
            if not self._parsing and not self._embedding:
                break
            self._handle(self._events.get())
            if self._events.empty():
                self._committer.flush()
        self._committer.flush()

    def close(self) -> None:
        """Stop the workers; what is not committed is left for the next run."""
        if self._pool is not None:
            self._pool.close()
        if self._stage is not None:
            self._stage.close()
            self._report.embed_seconds = self._stage.busy_s

    def _feed(self) -> None:
        """Give the parsers work while there is room."""
        workers = self._workers()
        while self._waiting and self._parsing < 2 * workers + KEEPERS and self._chunks_waiting < MAX_CHUNKS_WAITING:
            source = self._waiting.popleft()
            if self._passed_over(source):
                self._progress.found(-1)
                continue
            if self._triage.unchanged(source):
                self._committer.unchanged(source)
                continue
            if self._pool is None:
                self._pool = self._make_pool(workers)
                self._cutting = self._preparer.cutting
            self._parsing += 1
            future = self._pool.submit(ParseJob(source.path, source.name, self._options.password, self._cutting))
            future.add_done_callback(partial(self._report_parsed, source))

    def _make_pool(self, workers: int) -> ParserPool | DaskPool:
        keep = BlobStore(self._settings.blobs).put
        if self._options.scheduler is None:
            warm = min(workers, len(self._waiting) + 1)
            return ParserPool(self._settings.ingest, workers, keep, self._settings.home / "parsing", warm)
        from ingest.scale import DaskPool

        return DaskPool(self._settings, self._options.scheduler, workers, keep)

    def _report_parsed(self, source: Source, future: Future[ParseResult]) -> None:
        self._events.put(outcome(source, future))

    def _workers(self) -> int:
        return self._options.workers or self._settings.ingest.workers or max(1, min(8, os.cpu_count() or 1))

    def _passed_over(self, source: Source) -> bool:
        """Tell whether nothing is to be done about a file: it failed for good before, or is still being written."""
        failure = self._triage.failed_before(source)
        if failure is not None:
            self._report.failed.append(failure)
        return failure is not None or self._triage.busy(source)

    def _handle(self, event: Event) -> None:
        if isinstance(event, Broken):
            raise event.error
        if isinstance(event, int):
            self._progress.embedded(event)
        elif isinstance(event, Prepared):
            self._embedding -= 1
            self._chunks_waiting -= _weight(event)
            self._committer.add(event)
        else:
            self._parsing -= 1
            if isinstance(event.result, AttestError):
                self._committer.fail(event.source, event.result)
            else:
                self._take(event.source, event.result)

    def _take(self, source: Source, result: ParseResult) -> None:
        """Chunk a parsed file and pass it on; a container waits until what is in it is in."""
        self._progress.parsed(source.source)
        prepared = self._prepared(source, result)
        prepared.terms = self._committer.asked.settled(source)
        if self._settings.ingest.quarantine:
            prepared.quarantine = judge(result.document, self._scan, self._options.collection)
            self._report.flag(result.document.report.get("rails", ()))
        self._embedding += 1
        self._chunks_waiting += _weight(prepared)
        inside = self._containers.open(prepared, result)
        self._report.seen += len(inside)
        if inside:
            self._progress.found(len(inside))
        self._waiting.extendleft(reversed(inside))
        if prepared.missing:
            self._embedder().put(prepared)
        else:
            self._events.put(prepared)

    def _prepared(self, source: Source, result: ParseResult) -> Prepared:
        document, cut = result.document, result.cut
        if cut is not None and result.vectors is not None:
            prepared = Prepared(source, document, result.sha256, cut.chunks, result.vectors, missing=[])
        else:
            prepared = self._preparer.prepare(source, document, result.sha256, cut)
        prepared.sketch = cut.sketch if cut is not None else sketch_of(document.text)
        return prepared

    def _embedder(self) -> EmbeddingStage:
        if self._stage is None:
            self._stage = EmbeddingStage(
                self._preparer.encoder,
                done=self._events.put,
                failed=lambda error: self._events.put(Broken(error)),
                on_batch=self._events.put,
            )
        return self._stage


def _weight(prepared: Prepared) -> int:
    """Return for how many passages a document counts while it waits."""
    return min(len(prepared.chunks), MAX_CHUNKS_COUNTED)
