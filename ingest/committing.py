"""The last step of a run: documents that are ready go into the store, those that are ready together in one transaction.

While one transaction waits for its flush, others become ready and share the next one. Each document is whole or absent,
and nothing is told as committed before its transaction is.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence

from core.blobs import BlobStore
from core.db.session import Database
from core.errors import AttestError, Conflict, NotFound, SourceUnavailable, StoreUnavailable, Unparseable
from core.settings import Settings
from ingest.commit import Committed, commit_documents
from ingest.containers import INSIDE, Containers
from ingest.failures import FailureList
from ingest.near import NearDuplicates
from ingest.prepare import Preparer
from ingest.prepared import Prepared
from ingest.report import Failure, IngestOptions, IngestReport, Progress
from ingest.sketch import bands_of
from ingest.terms import Asked
from ingest.walk import Source

MAX_DOCUMENTS = 16
"""Of one transaction: another writer waits for it, some tens of milliseconds."""
MAX_PASSAGES = 1024


class Committer:
    """Brings documents into a collection and counts what became of each."""

    def __init__(
        self,
        report: IngestReport,
        options: IngestOptions,
        progress: Progress,
        database: Database,
        settings: Settings,
        preparer: Preparer,
        origins: Mapping[str, str] | None = None,
    ) -> None:
        self.containers = Containers()
        self.asked = Asked(options, preparer.known, self.containers, origins)
        self.failures = FailureList(database, options.collection, preparer.known.failed)
        self._report, self._options, self._progress = report, options, progress
        self._database, self._preparer = database, preparer
        self._blobs = BlobStore(settings.blobs)
        self._near = NearDuplicates(database, options.collection, settings.ingest.near_duplicate_jaccard)
        self._group: list[Prepared] = []
        self._bands: set[int] = set()
        """Of the sketches of the group."""

    def add(self, prepared: Prepared) -> None:
        """Take a document whose vectors are there; a container waits until what is in it is in."""
        if self.containers.waits(prepared):
            return
        document = prepared.document
        if not document.text and not self.containers.filled(prepared):
            self.fail(prepared.source, Unparseable(self.containers.why_empty(prepared)))
            return
        bands = bands_of(base64.b64decode(prepared.sketch))
        if not self._bands.isdisjoint(bands):
            self.flush()  # it may nearly repeat one of the group, and is compared with what is in the store
        prepared.near_duplicate_of = self._near.find(document.text, prepared.sketch, prepared.source.source)
        document.report["minhash"] = prepared.sketch
        self._group.append(prepared)
        self._bands.update(bands)
        if len(self._group) >= MAX_DOCUMENTS or sum(len(one.chunks) for one in self._group) >= MAX_PASSAGES:
            self.flush()

    def flush(self) -> None:
        """Commit the documents of the group, and the containers that they complete."""
        while self._group:
            group, self._group = self._group, []
            self._bands.clear()
            for prepared, committed in self._committed(group):
                self._count(prepared, committed)
                self.failures.forget_inside(prepared.source.source, set(prepared.children))
                self.arrived(prepared.source, failed=False)
                self._progress.committed(prepared.source.source)

    def fail(self, source: Source, error: AttestError) -> None:
        """Record that a source did not get in."""
        failure = Failure.of(source.source, error)
        self._report.failed.append(failure)
        if not self._options.dry_run:
            self.failures.record(self._report.run_id, failure, self.asked.of(source))
        self.arrived(source, failed=True)
        self._progress.failed(source.source, failure.error)

    def unchanged(self, source: Source) -> None:
        """Note that a source is in the store as it is."""
        self._report.unchanged += 1
        self.failures.forget(source.source)
        self.arrived(source, failed=False)
        self._progress.committed(source.source)

    def arrived(self, source: Source, failed: bool) -> None:
        """Tell a file's container, which may now be complete, that it is done with."""
        complete = self.containers.arrived(source, failed)
        if complete is not None:
            self.add(complete)

    def _committed(self, group: Sequence[Prepared]) -> Iterator[tuple[Prepared, Committed]]:
        """Commit a group; where one of it cannot be committed, each by itself, and yield those that are in."""
        try:
            done = commit_documents(self._database, self._preparer.spec, group, self._options, self._blobs)
        except (Conflict, NotFound, SourceUnavailable, StoreUnavailable) as error:
            if len(group) == 1:
                self.fail(group[0].source, error)
                return
            for prepared in group:
                yield from self._committed([prepared])
        else:
            yield from zip(group, done, strict=True)

    def _count(self, prepared: Prepared, committed: Committed) -> None:
        report, source, document = self._report, prepared.source.source, prepared.document
        tally(report, prepared, committed)
        report.near_duplicates += prepared.near_duplicate_of is not None and committed.outcome != "duplicate"
        if committed.outcome in ("added", "updated") and prepared.near_duplicate_of is None:
            self._near.add(committed.key, prepared.sketch)
        inside = document.report.get("left_out", ())
        report.left_out += [{"source": f"{source}{INSIDE}{name}", "reason": reason} for name, reason in inside]
        for name, value in document.report.items():
            if isinstance(value, int):
                report.curation[name] = report.curation.get(name, 0) + value
        self._preparer.known.add_text(prepared.text_sha256)


def tally(report: IngestReport, prepared: Prepared, committed: Committed) -> None:
    """Count what became of a document."""
    source, document = prepared.source.source, prepared.document
    report.chunks += committed.chunks
    report.pages += len(document.pages)
    report.characters += len(document.text)
    if committed.outcome == "unchanged":
        report.unchanged += 1
    elif committed.updated:
        report.updated += 1
    else:
        report.added += 1
    report.duplicates += committed.outcome == "duplicate"
    if prepared.quarantine:
        report.quarantined.append({"source": source, "reason": prepared.quarantine})
    report.warnings += [{"source": source, "message": message} for message in document.warnings]
