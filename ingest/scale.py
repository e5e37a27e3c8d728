"""Scale-out on Dask: parsing, cleaning, chunking and embedding on many workers; commits stay with the run.

A file's bytes go to a worker, its passages and vectors come back. A worker that is lost has its files done again by
another: nothing is in the store until the run commits it. Dask ships its messages pickled, so a scheduler belongs on
a private network, like the database.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import AttestError, InvalidInput, MissingExtra, SourceUnavailable, TooLarge, Unparseable
from core.settings import EmbedderSettings, IngestSettings, Settings
from ingest.chunk import ChunkDraft, chunk
from ingest.cutting import Cut, Cutting
from ingest.parsed import ParsedDocument
from ingest.parser_process import ParseJob, typed_error
from ingest.sandbox import ParseResult, ParserPool
from ingest.sketch import sketch_of
from ingest.tokens import TokenCounter

LOCAL = "local"
LOST_WORKERS_ALLOWED = 3
START_TIMEOUT = "120s"
"""A worker imports half of scientific Python before it answers; on a busy machine that takes a minute."""


class DaskPool:
    """Hands files to a Dask cluster; takes the place of `ParserPool`."""

    def __init__(self, settings: Settings, scheduler: str, workers: int, keep: Callable[[Path], str]) -> None:
        """`scheduler` is an address, or `local` for a cluster of `workers` processes on this machine.

        Raises:
            InvalidInput: it is no address.
            MissingExtra: Dask is not installed.
            SourceUnavailable: the scheduler does not answer.
        """
        try:
            import dask
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise MissingExtra("dask", "distributed") from error
        self._settings, self._keep = settings, keep
        self._values = settings.model_dump(mode="json")
        self._home = tempfile.TemporaryDirectory(prefix="attest-dask-")
        self._cluster: Any = None
        dask.config.set(
            {"distributed.comm.timeouts.connect": START_TIMEOUT, "distributed.logging.distributed": "warning"}
        )
        if scheduler == LOCAL:
            self._cluster = LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None, local_directory=self._home.name
            )
        try:
            self._client: Any = Client(self._cluster or scheduler, timeout=START_TIMEOUT)
        except (OSError, TimeoutError) as error:
            raise SourceUnavailable(f"the Dask scheduler {scheduler} does not answer") from error
        except ValueError as error:
            raise InvalidInput(f"{scheduler} is no Dask scheduler; name tcp://HOST:PORT, or `local`") from error

    def submit(self, job: ParseJob) -> Future[ParseResult]:
        """Start a job on the cluster."""
        done: Future[ParseResult] = Future()
        try:
            content = self._read(job.path)
        except (TooLarge, SourceUnavailable) as error:
            done.set_exception(error)
            return done
        remote = self._client.submit(
            read_and_embed, content, job.name, self._values, job.password, pure=False, retries=LOST_WORKERS_ALLOWED
        )
        remote.add_done_callback(lambda finished: self._arrive(finished, job, content, done))
        return done

    def close(self) -> None:
        """Leave the cluster; end it where it is our own."""
        # Everything is in the store by now: a worker that is slow to go, on a busy machine, fails no run.
        with contextlib.suppress(TimeoutError):
            self._client.close()
        if self._cluster is not None:
            with contextlib.suppress(TimeoutError):
                self._cluster.close()
        self._home.cleanup()

    def _read(self, path: Path) -> bytes:
        limit = self._settings.ingest.max_file_mb
        try:
            if path.stat().st_size > limit * 2**20:
                raise TooLarge(f"the file is larger than {limit} MB (ingest.max_file_mb)")
            return path.read_bytes()
        except OSError as error:
            raise SourceUnavailable(f"cannot read the file: {error.strerror or error}") from error

    def _arrive(self, remote: Any, job: ParseJob, content: bytes, done: Future[ParseResult]) -> None:
        """Turn a worker's reply into the result of a parse; runs in a thread of Dask's."""
        try:
            if remote.status != "finished":
                raise Unparseable(f"its worker was lost {LOST_WORKERS_ALLOWED} times")
            done.set_result(self._result(remote.result(), content))
        except AttestError as error:
            done.set_exception(error)
        except BaseException as error:  # noqa: BLE001  thread edge: whatever it is, the run that waits is told
            done.set_exception(Unparseable(f"its worker's reply was malformed: {error}"))

    def _result(self, reply: dict[str, Any], content: bytes) -> ParseResult:
        if "error" in reply:
            raise typed_error(reply)
        spool = Path(tempfile.mkdtemp(dir=self._home.name))
        document = ParsedDocument.from_json(reply["document"])
        for number, (attachment, inside) in enumerate(zip(document.attachments, reply["attachments"], strict=True)):
            attachment.path = str(spool / f"{number:05d}")
            Path(attachment.path).write_bytes(inside)
        copy = spool / "whole"
        copy.write_bytes(content)
        sha256 = self._keep(copy)
        copy.unlink()
        chunks = [ChunkDraft(*values) for values in reply["chunks"]]
        return ParseResult(document, sha256, spool, Cut(chunks, reply["sketch"]), reply["vectors"])


def read_and_embed(content: bytes, name: str, values: dict[str, Any], password: str | None) -> dict[str, Any]:
    """Parse, chunk and embed one file; runs on a worker, in a sandboxed process as everywhere."""
    from models.encoder import load_encoder

    settings = Settings(**values)
    encoder = load_encoder(settings.embedder)
    cutting = Cutting.of(encoder, settings.ingest)
    with tempfile.NamedTemporaryFile(prefix="attest-") as file:
        file.write(content)
        file.flush()
        try:
            result = _pool(settings.ingest).submit(ParseJob(Path(file.name), name, password, cutting)).result()
        except AttestError as error:
            return {"error": error.kind, "message": str(error)}
    if result.sha256 != hashlib.sha256(content).hexdigest():
        return {"error": "Unparseable", "message": "the file changed on its way"}
    document, cut = result.document, result.cut
    if cut is None:
        chunks = chunk(document, settings.ingest, _tokens(settings.embedder), encoder.max_tokens)
        cut = Cut(chunks, sketch_of(document.text))
    vectors = encoder.encode([draft.embedded for draft in cut.chunks], "document")
    return {
        "attachments": [Path(attachment.path).read_bytes() for attachment in document.attachments],
        "document": document.to_json(),
        "chunks": [(draft.start, draft.end, draft.page, draft.heading, draft.text) for draft in cut.chunks],
        "sketch": cut.sketch,
        "vectors": np.asarray(vectors, dtype=np.float32),
    }


@lru_cache(maxsize=1)
def _pool(settings: IngestSettings) -> ParserPool:
    """Return this worker's one parser, kept warm."""
    return ParserPool(settings, workers=1)


@lru_cache(maxsize=1)
def _tokens(embedder: EmbedderSettings) -> TokenCounter:
    """Return this worker's table of words."""
    from models.encoder import load_encoder

    return TokenCounter(load_encoder(embedder).token_spans)
