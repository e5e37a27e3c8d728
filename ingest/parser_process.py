"""One sandboxed parser process: started, given a file, watched from outside, stopped."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import core.errors
from core.errors import IngestError, ParseTimeout, SourceUnavailable, StoreUnavailable, TooLarge, Unparseable
from core.settings import IngestSettings
from ingest.cutting import Cut, Cutting, read_cut
from ingest.parsed import ParsedDocument
from ingest.parsers.request import PATIENCE, SCAN_S, scans_limit_s
from ingest.process import Usage, usage, worker_environment

MAX_FILES_A_WORKER = 500  # libraries leak; a fresh process costs 0.1 s
PIECE_BYTES = 1 << 20
SCANS = b'{"scans": '
"""How the line begins in which a process asks for the time that scanned pages take."""


@dataclass(frozen=True, slots=True)
class ParseJob:
    """One file to parse."""

    path: Path
    name: str
    password: str | None = None
    cutting: Cutting | None = None
    """How to cut it into passages, where the parser is to do that too."""


class ParserProcess:
    """One parser process and the folder it lives in."""

    def __init__(self, settings: IngestSettings, home: Path) -> None:
        self.home = home
        self.copy = home / "input"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._began_at: float | None = None
        self._watched: float | None = None
        """When the file began that is watched; most are done before anybody looks."""
        self._began = self._before = Usage()
        self._waited_s = 0.0
        self._limit_s = settings.parse_timeout_s
        self._stopped_for: str | None = None
        self._served = 0
        self._cutting: tuple[Cutting, dict[str, Any]] | None = None
        """How the process was last told to cut, and its wire form."""

    def start(self) -> None:
        """Start the process now, so that it is ready when a file comes; one that cannot start says so then."""
        with contextlib.suppress(OSError):
            self._alive()

    def parse(self, job: ParseJob) -> tuple[ParsedDocument, str, Cut | None]:
        """Parse a copy of a file and return the document, the sha256 of the copy, and its passages where wanted.

        Raises:
            IngestError: the typed reason why not.
        """
        if self._served >= MAX_FILES_A_WORKER:
            self.stop("retired")
        try:
            process = self._alive()
        except OSError as error:
            raise StoreUnavailable(f"cannot start a parser: {error.strerror or error}") from error
        sha256 = self._take_copy(job.path)
        line = self._ask(process, job)
        self._served += 1
        try:
            reply = _object(line)
            result = typed_error(reply) if "error" in reply else ParsedDocument.from_json(reply["document"])
            cut = read_cut(reply["cut"], result) if job.cutting and isinstance(result, ParsedDocument) else None
        except Exception as error:
            self.stop("malformed reply")
            raise Unparseable(f"the parser's reply was malformed: {error}") from error
        if reply.get("retire"):
            self.stop("retired")
        if not isinstance(result, ParsedDocument):
            raise result
        return result, sha256, cut

    def check(self) -> None:
        """Stop the process where it runs past its time or memory."""
        process, began = self._process, self._began_at
        if process is None or began is None:
            return
        now, limit = usage(process.pid), self._limit_s
        if self._watched != began:
            self._watched, self._began, self._before, self._waited_s = began, now, now, 0.0
        clock = time.monotonic() - began
        # Waiting for a processor that others use is not the file's fault; sleeping and waiting for a disk is.
        self._waited_s += max(0.0, now.waited_s - self._before.waited_s)
        worked = now.worked_s - self._began.worked_s
        self._before = now
        if worked > limit or clock - self._waited_s > limit:
            self.stop("time")
        elif clock > PATIENCE * limit:
            self.stop("patience")
        elif now.resident_mb > self._settings.parse_memory_mb:
            self.stop("memory")

    def stop(self, reason: str) -> None:
        """Kill the process with all its children."""
        process = self._process
        if process is None:
            return
        self._stopped_for = self._stopped_for or reason
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if reason in ("retired", "malformed reply", "closing"):
            self._forget(process)

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        if self._process is not None:
            self._forget(self._process)
        shutil.rmtree(self.home, ignore_errors=True)
        (self.home / "tmp").mkdir(parents=True)
        self._stopped_for, self._served, self._cutting = None, 0, None
        limits = json.dumps({"memory_mb": self._settings.parse_memory_mb})
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ingest.worker", str(self.home), limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=worker_environment(self.home),
            cwd=self.home,
            start_new_session=True,
        )
        return self._process

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if self._process is process:
            self._process = None

    def _take_copy(self, path: Path) -> str:
        """Copy a file into the worker's folder and return its sha256, so that what is hashed is what is parsed."""
        limit = self._settings.max_file_mb * 2**20
        digest, size = hashlib.sha256(), 0
        try:
            self.copy.unlink(missing_ok=True)
            with path.open("rb", buffering=0) as source, self.copy.open("wb") as target:
                while piece := source.read(PIECE_BYTES):
                    size += len(piece)
                    if size > limit:
                        raise TooLarge(f"the file is larger than {self._settings.max_file_mb} MB (ingest.max_file_mb)")
                    digest.update(piece)
                    target.write(piece)
        except OSError as error:
            raise SourceUnavailable(f"cannot read the file: {error.strerror or error}") from error
        return digest.hexdigest()

    def _wire(self, cutting: Cutting) -> dict[str, Any]:
        """Return the wire form, and put the tokeniser where the process may read it."""
        if self._cutting is None or self._cutting[0] is not cutting:
            file = self.home / "tokenizer.json"
            if not os.path.lexists(file):  # a link that the process made is never written through
                shutil.copyfile(cutting.tokenizer, file)
            self._cutting = cutting, asdict(replace(cutting, tokenizer=str(file)))
        return self._cutting[1]

    def _ask(self, process: subprocess.Popen[bytes], job: ParseJob) -> bytes:
        """Return the line that the process replies to a job.

        Raises:
            IngestError: it died, or was stopped, before it did.
        """
        request = {
            "cutting": self._wire(job.cutting) if job.cutting else None,
            "path": str(self.copy),
            "name": job.name,
            "password": job.password,
            "ocr": self._settings.ocr,
            "timeout_s": self._settings.parse_timeout_s,
            "ocr_timeout_s": self._settings.ocr_timeout_s,
            "max_output_bytes": self._settings.max_file_mb * 2**20,
        }
        assert process.stdin is not None
        assert process.stdout is not None
        # The kernel ends a parse at its own limit; cutting comes after it and has as long again.
        self._limit_s = self._settings.parse_timeout_s * (2 if job.cutting else 1)
        self._began_at = time.monotonic()
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = self._answer(process.stdout)
        except (OSError, ValueError):
            line = b""
        finally:
            self._began_at = None
        if not line.endswith(b"\n"):
            raise self._death(process)
        return line

    def _answer(self, replies: IO[bytes]) -> bytes:
        """Return the reply's line; before it the process may say, once, that it reads scanned pages."""
        line = replies.readline()
        if self._settings.ocr and line.startswith(SCANS):
            with contextlib.suppress(ValueError, KeyError, TypeError, OverflowError, RecursionError):
                self._limit_s += scans_limit_s(int(json.loads(line)["scans"]), self._settings.ocr_timeout_s)
            line = replies.readline()
        return line

    def _death(self, process: subprocess.Popen[bytes]) -> IngestError | TooLarge:
        code = process.wait()
        reason = self._stopped_for
        self._forget(process)
        if reason == "time" or -code == signal.SIGXCPU:
            return ParseTimeout(
                f"parsing took longer than {self._settings.parse_timeout_s:g} s (ingest.parse_timeout_s; scanned pages"
                f" have {SCAN_S:g} s each beside it, ingest.ocr_timeout_s in all)"
            )
        if reason == "patience":
            return SourceUnavailable("the machine was too busy to parse the file")
        if reason == "memory":
            return TooLarge(f"parsing needed more than {self._settings.parse_memory_mb} MB (ingest.parse_memory_mb)")
        if reason == "closing":
            return SourceUnavailable("ingestion was stopped")
        return Unparseable(f"the parser died ({signal.Signals(-code).name if code < 0 else f'exit {code}'})")


def _object(line: bytes) -> dict[str, Any]:
    reply = json.loads(line)
    if not isinstance(reply, dict):
        raise ValueError("it is no object")
    return reply


def typed_error(reply: dict[str, Any]) -> IngestError | TooLarge:
    """Return the typed error a worker named; only ingestion's own types are believed."""
    kind = getattr(core.errors, str(reply["error"]), None)
    message = str(reply.get("message", ""))[:1000]
    if isinstance(kind, type) and issubclass(kind, IngestError | TooLarge):
        return kind(message)
    return Unparseable(f"{reply['error']}: {message}")
