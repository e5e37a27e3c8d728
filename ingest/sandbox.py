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
from uuid import uuid4

from core.claims import Claim, sweep
from core.errors import SourceUnavailable, StoreUnavailable, Unparseable
from core.settings import IngestSettings
from ingest.cutting import Cut
from ingest.parsed import ParsedDocument
from ingest.parser_process import ParseJob, ParserProcess

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WATCH_INTERVAL_S = 0.1
KEEPERS = 4
"""Threads that store originals for good: each mostly waits for the disk, which flushes for several at once."""


@dataclass(frozen=True, slots=True)
class ParseResult:
    """A parsed file, the sha256 of exactly the bytes that were parsed, and where its attachments lie."""

    document: ParsedDocument
    sha256: str
    spool: Path | None
    cut: Cut | None = None
    vectors: NDArray[np.float32] | None = None
    """Of the passages, shape (passages, dimension), where a worker elsewhere already made them."""


class ParserPool:
    """Runs parse jobs in sandboxed processes, as many at once as it has workers."""

    def __init__(
        self,
        settings: IngestSettings,
        workers: int,
        keep: Callable[[Path], str] | None = None,
        folder: Path | None = None,
        warm: int = 0,
    ) -> None:
        """`keep` stores the bytes of a file that parsed and returns their sha256; workers live below `folder`.

        So many workers as `warm` says are started at once, the others when there is work for them.
        """
        parent = folder or Path(tempfile.mkdtemp(prefix="attest-parse-"))
        self._scratch = parent if folder is None else None
        sweep(parent)
        self._claim = Claim(parent)
        self._home = self._claim.folder
        self._keep = keep
        self._workers = [ParserProcess(settings, self._home / f"worker{number}") for number in range(workers)]
        self._idle: SimpleQueue[ParserProcess] = SimpleQueue()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="parse")
        self._keepers = ThreadPoolExecutor(KEEPERS, thread_name_prefix="keep")
        for worker in self._workers[:warm]:
            self._threads.submit(self._warm, worker)
        for worker in self._workers[warm:]:
            self._idle.put(worker)
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="parse-watch", daemon=True).start()

    def submit(self, job: ParseJob) -> Future[ParseResult]:
        """Start a job; its future raises the `IngestError` that says why a file did not parse."""
        done: Future[ParseResult] = Future()
        self._threads.submit(self._parse, job, done)
        return done

    def close(self) -> None:
        """Stop every worker at once and remove what they left."""
        self._closed.set()
        for worker in self._workers:
            worker.stop("closing")
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._keepers.shutdown(wait=True, cancel_futures=True)
        for worker in self._workers:
            worker.stop("closing")
        self._claim.release()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def __enter__(self) -> ParserPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _warm(self, worker: ParserProcess) -> None:
        try:
            worker.start()
        finally:  # a file waits for it
            self._idle.put(worker)

    def _parse(self, job: ParseJob, done: Future[ParseResult]) -> None:
        """Parse a file and pass its original on to be kept, so that the worker goes on with the next one."""
        try:
            result, original = self._run(job)
            if self._keep is None or original is None:
                done.set_result(result)
            else:
                self._keepers.submit(self._store, self._keep, original, result, done)
        except BaseException as error:  # noqa: BLE001  whoever waits is told, whatever it is
            done.set_exception(error)

    def _store(
        self, keep: Callable[[Path], str], original: Path, result: ParseResult, done: Future[ParseResult]
    ) -> None:
        try:
            if keep(original) != result.sha256:
                raise Unparseable("the parser changed the file it was given")
            done.set_result(result)
        except BaseException as error:  # noqa: BLE001  whoever waits is told, whatever it is
            done.set_exception(error)
        finally:
            original.unlink(missing_ok=True)

    def _run(self, job: ParseJob) -> tuple[ParseResult, Path | None]:
        worker = self._idle.get()
        try:
            if self._closed.is_set():
                raise SourceUnavailable("ingestion was stopped")
            document, sha256, cut = worker.parse(job)
            result = ParseResult(document, sha256, self._take_spool(worker, document), cut)
            return result, self._take_original(worker) if self._keep is not None else None
        finally:
            worker.copy.unlink(missing_ok=True)
            self._idle.put(worker)

    def _take_original(self, worker: ParserProcess) -> Path:
        """Move the copy that was parsed out of the worker's reach."""
        original = self._home / f"original-{uuid4().hex}"
        try:
            worker.copy.rename(original)
        except FileNotFoundError as error:
            raise Unparseable("the parser took away the file it was given") from error
        except OSError as error:
            raise _refused(self._home, error) from error
        if original.is_symlink():
            original.unlink()
            raise Unparseable("the parser changed the file it was given")
        return original

    def _take_spool(self, worker: ParserProcess, document: ParsedDocument) -> Path | None:
        """Move attachments out of the worker's reach; names that it made up lead nowhere else."""
        if not document.attachments:
            return None
        try:
            spool = Path(tempfile.mkdtemp(dir=self._home, prefix="spool-"))
        except OSError as error:
            raise _refused(self._home, error) from error
        for number, attachment in enumerate(document.attachments):
            source = worker.home / "spool" / Path(attachment.path).name
            if source.is_symlink() or not source.is_file():
                raise Unparseable("a parser's reply names a file it did not leave")
            target = spool / f"{number:05d}"
            try:
                source.rename(target)
            except OSError as error:
                raise _refused(spool, error) from error
            attachment.path = str(target)
        return spool

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_INTERVAL_S):
            for worker in self._workers:
                worker.check()


def _refused(folder: Path, error: OSError) -> StoreUnavailable:
    """Name a disk's refusal as what it is: the file is not to blame, and the next run takes it."""
    return StoreUnavailable(f"cannot work in {folder}: {error.strerror or error}")
