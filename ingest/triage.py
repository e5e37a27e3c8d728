"""Which files a run need not read: unchanged ones, ones that failed for good, ones that are still being written."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from core.errors import Encrypted
from ingest.containers import Containers
from ingest.failures import FailureList
from ingest.known import Known
from ingest.report import Failure, IngestOptions
from ingest.terms import AT_ODDS, Asked, Terms
from ingest.walk import Source


class Triage:
    """Looks at files before anything is started for them."""

    def __init__(
        self, options: IngestOptions, known: Known, containers: Containers, asked: Asked, failures: FailureList
    ) -> None:
        self._options, self._known, self._containers = options, known, containers
        self._asked, self._failures = asked, failures

    def unchanged(self, source: Source) -> bool:
        """Tell whether a file is in the store as it is, on the terms that are asked; somebody's deletion counts."""
        known = self._known.get(source.source)
        if known is None:
            return False
        buried = known.deleted_by is not None and (source.found or source.parent is not None)
        if not buried and (known.state == "deleted" or not known.meets(self._asked.of(source))):
            return False
        if not buried and self._containers.must_open(source, self._known, self._options):
            return False
        return _holds(source.path, known.blob_sha256)

    def busy(self, source: Source) -> bool:
        """Tell whether a file is still being written: half of it would be no version of it."""
        return not source.depth and self._options.busy is not None and self._options.busy(source.path)

    def failed_before(self, source: Source) -> Failure | None:
        """Return how a file failed for good that was not touched since: it is listed again, not tried again."""
        failure = self._known.failed.get(source.source)
        if failure is None or failure.kind != "permanent" or self._options.retry or source.depth:
            return None
        if failure.error in AT_ODDS or (failure.error == Encrypted.__name__ and self._options.password is not None):
            return None
        if _touched(source.path) >= failure.at.timestamp():
            return None
        if self._options.terms != Terms() and not self._options.dry_run:
            self._failures.keep(source.source, self._options.terms)
        return Failure(failure.source, failure.error, failure.kind, failure.message)


def _holds(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False  # reading it again in the parser's seat says what is wrong


def _touched(path: Path) -> float:
    """Return when a file, or what is known of it, was last changed; what cannot be looked at is tried again."""
    try:
        status = os.stat(path)
    except OSError:
        return float("inf")
    return max(status.st_mtime, status.st_ctime)
