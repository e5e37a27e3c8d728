"""Uploaded files on their way into the knowledge base: durable before they are acknowledged, ingested one by one.

An upload lies in `uploads/<run id>/` of the home until its run ends; what a stopped server left there is taken up
again at the next start.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import queue
import shutil
import threading
import unicodedata
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from app.metrics import Metrics
from app.runtime import Runtime
from core.blobs import flush_folder, write_durably
from core.clock import now
from core.db.grants import require_collection_name, require_principal
from core.db.models import IngestRun
from core.errors import AttestError, InvalidInput, StoreUnavailable, TooLarge
from core.types import Json, Principal

if TYPE_CHECKING:
    from ingest.report import IngestOptions
    from ingest.walk import Source

log = logging.getLogger(__name__)
REQUEST = "request.json"
PIECE_BYTES = 1 << 20
NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What is to become of uploaded files."""

    principal: str
    operator: bool
    collection: str
    allow: tuple[str, ...] | None
    files: tuple[str, ...]
    effective_from: str | None = None
    expires_at: str | None = None
    supersedes: str | None = None


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


class Uploads:
    """Takes files in and ingests them in a thread of its own."""

    def __init__(self, runtime: Runtime, metrics: Metrics) -> None:
        self._runtime = runtime
        self._metrics = metrics
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._watched: dict[str, Watched] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where uploads wait."""
        return self._runtime.settings.home / "uploads"

    def resume(self) -> None:
        """Take up what a stopped server left."""
        left = sorted(path.parent.name for path in self.folder.glob(f"*/{REQUEST}"))
        for run_id in left:
            log.info("taking up upload %s again", run_id)
            self._enqueue(run_id)

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
        """Finish the run at hand, if it takes no longer than `wait_s`; the rest is taken up at the next start."""
        if self._thread is not None:
            self._queue.put(None)
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
        with self._lock:
            self._watched[run_id] = Watched()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="uploads", daemon=True)
                self._thread.start()
        self._queue.put(run_id)

    def _work(self) -> None:
        """Ingest upload after upload; the thread's edge."""
        while (run_id := self._queue.get()) is not None:
            try:
                self._ingest(run_id)
            except Exception:
                self._metrics.uploads.labels("failed").inc()
                log.exception("upload %s failed; it is tried again at the next start", run_id)
            finally:
                self._watched.pop(run_id, None)

    def _ingest(self, run_id: str) -> None:
        from ingest.run import ingest

        folder = self.folder / run_id
        with (folder / REQUEST).open("rb") as claim:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # another server of this home has it
            request = _read_request(claim)
            sources = _sources(request, folder)
            try:
                state = ingest(
                    sources,
                    _options(request, run_id),
                    database=self._runtime.database,
                    settings=self._runtime.settings,
                    encoder=lambda: self._runtime.encoder,
                    progress=self._watched[run_id],
                    scan=self._runtime.rails.scan_document,
                ).state
            except AttestError as error:
                if error.status_code >= 500:
                    raise
                state = self._refused(run_id, [source.source for source in sources], error)
            self._metrics.uploads.labels(state).inc()
        shutil.rmtree(folder, ignore_errors=True)

    def _refused(self, run_id: str, sources: Sequence[str], error: AttestError) -> str:
        """Record why a run cannot succeed, however often it is tried, and return its state."""
        from ingest.report import Failure, IngestReport

        report = IngestReport(run_id, "failed", failed=[Failure.of(source, error) for source in sources])
        with self._runtime.database.write() as session:
            row = session.get_one(IngestRun, run_id)
            row.state, row.finished_at = "failed", now()
            row.report = report.to_json() | row.report | {"failed": report.to_json()["failed"]}
        return "failed"


def upload_request(
    principal: Principal, collection: str | None, allow: Sequence[str] | None, names: Sequence[str], **more: Any
) -> UploadRequest:
    """Return what is to become of a principal's files.

    The operator chooses collection and readers. Everybody else's files go to a collection of their own, readable
    by themselves: a file of the same name must never replace, nor a duplicate reveal, what they may not read.

    Raises:
        InvalidInput: a collection or a reader that is not theirs to choose, or a name that no collection can have, or a
            file without a name or with the name of another.
    """
    if not principal.operator:
        if collection not in (None, principal.name):
            raise InvalidInput(f"your files go to the collection {principal.name}")
        if not set(allow or ()) <= principal.groups | {principal.name}:
            raise InvalidInput("you may share with yourself and your groups only")
        collection, allow = principal.name, sorted({principal.name, *(allow or ())})
    files = tuple(map(_file_name, names))
    if twice := [name for name, count in Counter(files).items() if count > 1]:
        raise InvalidInput(f"several files are named {twice[0]}, and each would replace the one before: rename them")
    return UploadRequest(
        principal=principal.name,
        operator=principal.operator,
        collection=require_collection_name(collection or "default"),
        allow=tuple(map(require_principal, allow)) if allow else None,
        files=files,
        **more,
    )


def _file_name(given: str) -> str:
    """Return the last part of a name, without control characters.

    Raises:
        InvalidInput: nothing is left of it.
    """
    last = unicodedata.normalize("NFC", given.replace("\\", "/").rsplit("/", 1)[-1])
    name = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()[-NAME_CHARACTERS:]
    if not name.strip("."):
        raise InvalidInput("a file has no name")
    return name


def _read_request(file: IO[bytes]) -> UploadRequest:
    values = json.load(file)
    allow = None if values["allow"] is None else tuple(values["allow"])
    return UploadRequest(**{**values, "allow": allow, "files": tuple(values["files"])})


def _options(request: UploadRequest, run_id: str) -> IngestOptions:
    from ingest.report import IngestOptions

    return IngestOptions(
        collection=request.collection,
        allow=request.allow,
        principal=request.principal,
        effective_from=_moment(request.effective_from),
        expires_at=_moment(request.expires_at),
        supersedes=request.supersedes,
        run_id=run_id,
    )


def _sources(request: UploadRequest, folder: Path) -> list[Source]:
    from ingest.walk import Source

    owner = "" if request.operator else f"{request.principal}/"
    return [Source(f"uploads/{owner}{name}", folder / str(number), name) for number, name in enumerate(request.files)]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
