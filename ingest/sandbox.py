"""A pool of sandboxed parser processes: kept warm, watched from outside, replaced when they die.

A worker that dies, hangs or grows costs the one file it was reading.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from core.claims import Claim, sweep
from core.errors import SourceUnavailable, Unparseable
from core.settings import IngestSettings
from ingest.parsed import ParsedDocument
from ingest.parser_process import ParseJob, ParserProcess

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ingest.chunk import ChunkDraft

WATCH_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class Embedded:
    """Passages and their vectors, shape (passages, dimension), where a worker elsewhere already made them."""

    chunks: list[ChunkDraft]
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ParseResult:
    """A parsed file, the sha256 of exactly the bytes that were parsed, and where its attachments lie."""

    document: ParsedDocument
    sha256: str
    spool: Path | None
    embedded: Embedded | None = None


class ParserPool:
    """Runs parse jobs in sandboxed processes, as many at once as it has workers."""

    def __init__(
        self,
        settings: IngestSettings,
        workers: int,
        keep: Callable[[Path], str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """`keep` stores the bytes of a file that parsed and returns their sha256; workers live below `folder`."""
        parent = folder or Path(tempfile.mkdtemp(prefix="attest-parse-"))
        self._scratch = parent if folder is None else None
        sweep(parent)
        self._claim = Claim(parent)
        self._home = self._claim.folder
        self._keep = keep
        self._workers = [ParserProcess(settings, self._home / f"worker{number}") for number in range(workers)]
        self._idle: SimpleQueue[ParserProcess] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="parse")
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="parse-watch", daemon=True).start()

    def submit(self, job: ParseJob) -> Future[ParseResult]:
        """Start a job; its future raises the `IngestError` that says why a file did not parse."""
        return self._threads.submit(self._run, job)

    def close(self) -> None:
        """Stop every worker at once and remove what they left."""
        self._closed.set()
        for worker in self._workers:
            worker.stop("closing")
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in self._workers:
            worker.stop("closing")
        self._claim.release()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def __enter__(self) -> ParserPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, job: ParseJob) -> ParseResult:
        worker = self._idle.get()
        try:
            if self._closed.is_set():
                raise SourceUnavailable("ingestion was stopped")
            document, sha256 = worker.parse(job)
            if self._keep is not None and self._keep(worker.copy) != sha256:
                raise Unparseable("the parser changed the file it was given")
            return ParseResult(document, sha256, self._take_spool(worker, document))
        finally:
            worker.copy.unlink(missing_ok=True)
            self._idle.put(worker)

    def _take_spool(self, worker: ParserProcess, document: ParsedDocument) -> Path | None:
        """Move attachments out of the worker's reach; names that it made up lead nowhere else."""
        if not document.attachments:
            return None
        spool = Path(tempfile.mkdtemp(dir=self._home, prefix="spool-"))
        for number, attachment in enumerate(document.attachments):
            source = worker.home / "spool" / Path(attachment.path).name
            if source.is_symlink() or not source.is_file():
                raise Unparseable("a parser's reply names a file it did not leave")
            target = spool / f"{number:05d}"
            source.rename(target)
            attachment.path = str(target)
        return spool

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_INTERVAL_S):
            for worker in self._workers:
                worker.check()
