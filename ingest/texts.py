"""Documents that come as text: no files, no parser, the same chunking, embedding and commits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.blobs import NO_BLOB
from core.db.session import Database
from core.errors import Conflict, EmptyDocument, NotFound
from core.settings import Settings
from ingest.clean import assemble
from ingest.commit import Committed, commit_documents
from ingest.committing import tally
from ingest.containers import Containers
from ingest.failures import NO_TEXT, FailureList
from ingest.known import Known
from ingest.parsed import Block, ParsedDocument, RawDocument
from ingest.prepare import Preparer
from ingest.prepared import Prepared, text_sha256
from ingest.quality import Scan, garbled_share, judge
from ingest.report import Failure, IngestOptions, IngestReport, Progress, TextRecord
from ingest.rows import attributes_of
from ingest.terms import Asked, Terms
from ingest.walk import Source

if TYPE_CHECKING:
    from models.encoder import Encoder

_NOWHERE = Path()
RECORDS_A_COMMIT = 256
"""Records embedded and committed together: rows of a corpus are short, and a flush to disk costs as much as ten."""


class Records:
    """Brings records into a collection."""

    def __init__(
        self,
        report: IngestReport,
        options: IngestOptions,
        database: Database,
        settings: Settings,
        provide: Callable[[], Encoder],
        progress: Progress,
        scan: Scan | None = None,
    ) -> None:
        self._report, self._options, self._progress, self._scan = report, options, progress, scan
        self._database, self._quarantine = database, settings.ingest.quarantine
        self._known = Known(database, options.collection)
        self._preparer = Preparer(database, options.collection, settings, provide, self._known)
        self._asked = Asked(options, self._known, Containers())
        self._failures = FailureList(database, options.collection, self._known.failed)

    def run(self, records: Iterable[TextRecord | Failure]) -> None:
        """Bring the records in; a failure among them stands for one that could not be read.

        Raises:
            Conflict: one would supersede what supersedes it.
            NotFound: one was asked to supersede what is not there.
        """
        self._progress.start(0)
        if not self._options.dry_run:
            self._failures.forget_lines()
        for group in _groups(records):
            self._report.seen += len(group)
            group = self._latest(group)
            ready = [prepared for record in group if (prepared := self._taken(record)) is not None]
            if ready:
                self._commit(ready)
        self._progress.finish()

    def _latest(self, group: list[TextRecord | Failure]) -> list[TextRecord | Failure]:
        """Return the later one of two records with one source, and tell of it."""
        latest = {record.source: record for record in group}
        if len(latest) < len(group):
            times = Counter(record.source for record in group)
            said = "records have this source; the last of them counts"
            self._report.warnings += [
                {"source": source, "message": f"{count} {said}"} for source, count in times.items() if count > 1
            ]
        return list(latest.values())

    def _taken(self, record: TextRecord | Failure) -> Prepared | None:
        """Return a record ready to be embedded, `None` where nothing is to be committed."""
        if isinstance(record, Failure):
            self._fail(record, Terms())
            return None
        source = Source(record.source, _NOWHERE, record.source)
        document, terms = document_of(record), record.terms.over(self._asked.of(source))
        if not document.text:
            self._fail(Failure.of(record.source, EmptyDocument(NO_TEXT)), terms)
        elif self._unchanged(record, document, terms):
            self._report.unchanged += 1
            if not self._options.dry_run:
                self._failures.forget(record.source)
        elif self._options.dry_run:
            self._report.plan(record.source, known=self._known.holds(record.source))
        else:
            return self._prepared(source, record, document, terms)
        return None

    def _fail(self, failure: Failure, terms: Terms) -> None:
        self._report.failed.append(failure)
        if not self._options.dry_run:
            self._failures.record(self._report.run_id, failure, terms)
        self._progress.failed(failure.source, failure.error)

    def _unchanged(self, record: TextRecord, document: ParsedDocument, terms: Terms) -> bool:
        known = self._known.get(record.source)
        if known is None or known.state == "deleted":
            return False
        same = known.text_sha256 == text_sha256(document.text) and known.title == document.title
        noted = attributes_of(document, self._options, record.attributes)
        return same and known.attributes == noted and known.meets(terms)

    def _prepared(self, source: Source, record: TextRecord, document: ParsedDocument, terms: Terms) -> Prepared:
        prepared = self._preparer.prepare(source, document, NO_BLOB)
        prepared.terms, prepared.attributes = terms, dict(record.attributes)
        if self._quarantine:
            document.report["garbled_share"] = round(garbled_share(document.text), 4)
            prepared.quarantine = judge(document, self._scan, self._options.collection)
            self._report.flag(document.report.get("rails", ()))
        return prepared

    def _commit(self, ready: list[Prepared]) -> None:
        self._embed(ready)
        for prepared, committed in self._committed(ready):
            tally(self._report, prepared, committed)
            self._known.add_text(prepared.text_sha256)
            self._progress.committed(prepared.source.source)

    def _committed(self, ready: Sequence[Prepared]) -> Iterator[tuple[Prepared, Committed]]:
        """Commit records; where what one of them is to supersede stands in the way, each by itself."""
        try:
            done = commit_documents(self._database, self._preparer.spec, ready, self._options)
        except (Conflict, NotFound) as error:
            if self._options.supersedes:
                raise  # it was asked for all of them
            if len(ready) == 1:
                self._fail(Failure.of(ready[0].source.source, error), ready[0].terms)
                return
            for prepared in ready:
                yield from self._committed([prepared])
        else:
            yield from zip(ready, done, strict=True)

    def _embed(self, ready: list[Prepared]) -> None:
        places = [(prepared, number) for prepared in ready for number in prepared.missing]
        began = time.perf_counter()
        vectors = self._preparer.encoder.encode([p.chunks[number].embedded for p, number in places], "document")
        self._report.embed_seconds += time.perf_counter() - began
        for (prepared, number), vector in zip(places, np.asarray(vectors, dtype=np.float32), strict=True):
            prepared.vectors[number] = vector
        self._progress.embedded(len(places))


def document_of(record: TextRecord) -> ParsedDocument:
    """Return a record's cleaned text and structure: paragraphs are parted by empty lines."""
    blocks = [Block("text", paragraph) for paragraph in record.text.split("\n\n")]
    return assemble(RawDocument(blocks, "text/plain", "record", title=record.title or None), record.source)


def _groups(records: Iterable[TextRecord | Failure]) -> Iterator[list[TextRecord | Failure]]:
    iterator = iter(records)
    while group := list(islice(iterator, RECORDS_A_COMMIT)):
        yield group
