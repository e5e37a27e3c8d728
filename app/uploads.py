"""Uploaded files on their way into the knowledge base: durable before they are acknowledged, ingested one by one.

An upload lies in `uploads/<run id>/` of the home until its run ends; what a stopped server left there is taken up
again at the next start. One that cannot be ingested just now waits, ever longer, and is tried again.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import threading
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sqlalchemy import select

from app.metrics import Metrics
from app.runtime import Runtime
from app.upload_queue import FIRST_PAUSE_S, Job, UploadQueue
from app.upload_request import UploadRequest, ingest_options, read_request, sources_of
from core.blobs import flush_folder, write_durably
from core.clock import now
from core.db.models import IngestRun
from core.errors import AttestError, StoreUnavailable, TooLarge
from core.types import Json

if TYPE_CHECKING:
    from ingest.report import IngestReport
    from ingest.walk import Source

log = logging.getLogger(__name__)
REQUEST = "request.json"
PIECE_BYTES = 1 << 20
OVERTAKEN = "a file of the same name that was uploaded later is in already"


class Watched:
    """The progress of one run, as a reader of the API sees it."""

    def __init__(self) -> None:
        self.counts = {"total": 0, "parsed": 0, "embedded": 0, "committed": 0, "failed_so_far": 0}

    def start(self, total: int) -> None:
        """Note how many sources there are."""
        self.counts["total"] = total

    def found(self, more: int) -> None:
        """Count sources found inside another."""
        self.counts["total"] += more

    def parsed(self, source: str) -> None:
        """Count a source that was read."""
        self.counts["parsed"] += 1

    def embedded(self, chunks: int) -> None:
        """Count chunks that have vectors."""
        self.counts["embedded"] += chunks

    def committed(self, source: str) -> None:
        """Count a source that is in the store."""
        self.counts["committed"] += 1

    def failed(self, source: str, error: str) -> None:
        """Count a source that did not get in."""
        self.counts["failed_so_far"] += 1

    def finish(self) -> None:
        """Nothing more comes."""


class NotYet(Exception):
    """An upload cannot be ingested just now."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Uploads:
    """Takes files in and ingests them in a thread of its own."""

    def __init__(self, runtime: Runtime, metrics: Metrics) -> None:
        self._runtime = runtime
        self._metrics = metrics
        self._jobs = UploadQueue()
        self._watched: dict[str, Watched] = {}
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where uploads wait."""
        return self._runtime.settings.home / "uploads"

    @property
    def waiting(self) -> int:
        """How many uploads of this process are not ingested yet."""
        return len(self._watched)

    def waits(self, run_id: str) -> bool:
        """Say whether this process has yet to ingest an upload, or is at it."""
        return run_id in self._watched

    def resume(self) -> None:
        """Take up what a stopped server left, the oldest first, beside the caller."""
        if any(self.folder.glob(f"[!.]*/{REQUEST}")):
            self._start(taking_up=True)

    def accept(self, request: UploadRequest, files: Sequence[IO[bytes]]) -> str:
        """Keep files for ingestion and return the id of their run; they outlive a crash from here on.

        Raises:
            TooLarge: a file exceeds `ingest.max_file_mb`.
            StoreUnavailable: the disk refused.
        """
        run_id = uuid.uuid4().hex
        partial = self.folder / f".{run_id}"
        try:
            partial.mkdir(parents=True)
            for number, file in enumerate(files):
                self._copy(file, partial / str(number))
            write_durably(partial / REQUEST, json.dumps(asdict(request)).encode())
            with self._runtime.database.write() as session:
                session.add(IngestRun(id=run_id, state="queued", principal=request.principal, report={}))
            partial.rename(self.folder / run_id)
            flush_folder(self.folder)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, OSError):
                raise StoreUnavailable(f"the upload cannot be kept: {error.strerror or error}") from error
            raise
        self._enqueue(run_id)
        return run_id

    def progress(self, run_id: str) -> Json:
        """Return how far a run of this process has come; empty for another's."""
        watched = self._watched.get(run_id)
        return dict(watched.counts) if watched else {}

    def close(self, wait_s: float) -> None:
        """Ingest what is due, as far as `wait_s` allows; the rest is taken up at the next start."""
        self._jobs.stop(wait_s)
        if self._thread is not None:
            self._thread.join(wait_s)

    def _copy(self, file: IO[bytes], target: Path) -> None:
        limit = self._runtime.settings.ingest.max_file_mb * 1024 * 1024
        written = 0
        with target.open("wb") as out:
            while piece := file.read(PIECE_BYTES):
                written += len(piece)
                if written > limit:
                    raise TooLarge(f"a file is larger than {self._runtime.settings.ingest.max_file_mb} MB")
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())

    def _enqueue(self, run_id: str) -> None:
        self._queue(run_id)
        self._start()

    def _queue(self, run_id: str, attempts: int = 0) -> None:
        self._watched[run_id] = Watched()
        self._jobs.put(run_id, attempts)

    def _start(self, *, taking_up: bool = False) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, args=(taking_up,), name="uploads", daemon=True)
                self._thread.start()

    def _work(self, taking_up: bool) -> None:
        """Ingest upload after upload; the thread's edge."""
        while taking_up:
            try:
                self._take_up()
                taking_up = False
            except Exception as error:  # noqa: BLE001 - the store may be away in any way
                log.warning("uploads that a stopped server left cannot be taken up yet: %s", error)
                if self._jobs.stops_within(FIRST_PAUSE_S):
                    return
        while (job := self._jobs.take()) is not None:
            try:
                self._ingest(job.run_id)
            except (NotYet, AttestError) as error:
                self._put_off(job, error.kind, str(error))
            except Exception as error:
                log.exception("upload %s failed", job.run_id)
                self._put_off(job, "Unexpected", f"unexpected {type(error).__name__}; the server's log says more")
            else:
                self._watched.pop(job.run_id, None)

    def _take_up(self) -> None:
        """Queue the uploads of this home in the order in which they were acknowledged; one without a row is the last.

        A folder with a dot before its name was never acknowledged.
        """
        left = [path.parent.name for path in self.folder.glob(f"[!.]*/{REQUEST}")]
        query = select(IngestRun.id).where(IngestRun.id.in_(left)).order_by(IngestRun.started_at)
        with self._runtime.database.read() as session:
            known = list(session.scalars(query))
        for run_id in [*known, *sorted(set(left) - set(known))]:
            log.info("taking up upload %s again", run_id)
            self._queue(run_id)

    def _put_off(self, job: Job, kind: str, message: str) -> None:
        """Let an upload wait and say in its run why; where that cannot be written, the log has it."""
        self._metrics.uploads.labels("put_off").inc()
        attempts = job.attempts + 1
        log.warning("upload %s waits after %d attempts: %s: %s", job.run_id, attempts, kind, message)
        try:
            with self._runtime.database.write() as session:
                row = session.get_one(IngestRun, job.run_id)
                row.state, row.finished_at = "queued", None
                row.report = {"attempts": attempts, "error": {"kind": kind, "message": message}}
        except Exception:
            log.debug("why upload %s waits cannot be recorded", job.run_id, exc_info=True)
        self._queue(job.run_id, attempts)

    def _ingest(self, run_id: str) -> None:
        """Bring the files of an upload in and let go of them.

        Raises:
            NotYet: a file could not be brought in just now.
        """
        folder = self.folder / run_id
        try:
            claim = (folder / REQUEST).open("rb")
        except FileNotFoundError:
            return  # another server of this home has ingested it
        with claim:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # another server of this home has it
            request = read_request(claim)
            overtaken = self._overtaken(run_id, request.collection)
            files = sources_of(request, folder)
            report = self._brought_in(run_id, request, [file for file in files if file.source not in overtaken])
            self._keep(report, request, [file.source for file in files], overtaken)
            self._metrics.uploads.labels(report.state).inc()
        shutil.rmtree(folder, ignore_errors=True)

    def _overtaken(self, run_id: str, collection: str) -> set[str]:
        """Return what later uploads have brought in: an older file of that name must not replace it any more."""
        with self._runtime.database.read() as session:
            row = session.get(IngestRun, run_id)
            if row is None:
                return set()
            later = select(IngestRun.report).where(IngestRun.state == "done", IngestRun.started_at > row.started_at)
            reports = [report for report in session.scalars(later) if report.get("collection") == collection]
        return {source for report in reports for source in report.get("sources", ())}

    def _brought_in(self, run_id: str, request: UploadRequest, files: Sequence[Source]) -> IngestReport:
        from ingest.report import Failure, IngestReport
        from ingest.run import ingest

        watched = self._watched[run_id] = Watched()
        scan = self._runtime.rails.scan_document  # a rail that cannot be built is not the upload's fault
        try:
            report = ingest(
                files,
                ingest_options(request, run_id),
                database=self._runtime.database,
                settings=self._runtime.settings,
                encoder=lambda: self._runtime.encoder,
                progress=watched,
                scan=scan,
            )
        except AttestError as error:
            if error.status_code >= 500:
                raise
            failed = [Failure.of(file.source, error) for file in files]
            return IngestReport(run_id, "failed", seen=len(files), failed=failed)  # however often it were tried
        for failure in report.failed:
            if failure.kind == "transient":
                raise NotYet(failure.error, f"{failure.source}: {failure.message}")
        return report

    def _keep(self, report: IngestReport, request: UploadRequest, sources: Sequence[str], overtaken: set[str]) -> None:
        """Record how a run ended, and which sources it brought in, for older uploads that still wait."""
        failed = {failure.source for failure in report.failed}
        report.left_out += [{"source": one, "reason": OVERTAKEN} for one in sources if one in overtaken]
        brought = [one for one in sources if one not in overtaken | failed]
        kept = report.to_json() | {"collection": request.collection, "sources": brought}
        with self._runtime.database.write() as session:
            row = session.get(IngestRun, report.run_id) or IngestRun(id=report.run_id, principal=request.principal)
            row.state, row.finished_at, row.report = report.state, row.finished_at or now(), kept
            session.add(row)
