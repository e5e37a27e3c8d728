"""Documents that come as text: no files, no parser, the same chunking, embedding and commits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.blobs import NO_BLOB
from core.db.session import Database
from core.errors import EmptyDocument
from core.settings import Settings
from ingest.clean import assemble
from ingest.commit import commit_documents
from ingest.known import Known
from ingest.parsed import Block, ParsedDocument, RawDocument
from ingest.prepare import Preparer
from ingest.prepared import Prepared, text_sha256
from ingest.report import Failure, IngestOptions, IngestReport, Progress, TextRecord
from ingest.runs import record_failure
from ingest.walk import Source

if TYPE_CHECKING:
    from models.encoder import Encoder

_NOWHERE = Path()
RECORDS_A_COMMIT = 256
"""Records embedded and committed together: rows of a corpus are short, and a flush to disk costs as much as ten."""


def ingest_records(
    records: Iterable[TextRecord],
    options: IngestOptions,
    report: IngestReport,
    database: Database,
    settings: Settings,
    provide: Callable[[], Encoder],
    progress: Progress,
) -> None:
    """Bring records into a collection, counting into `report`."""
    known = Known(database, options.collection)
    preparer = Preparer(database, options.collection, settings, provide, known)
    progress.start(0)
    for group in _groups(records):
        report.seen += len(group)
        ready = [
            prepared for record in group if (prepared := _prepare(record, preparer, known, report, options, database))
        ]
        if not ready:
            continue
        _embed(ready, preparer.encoder, report, progress)
        for prepared, committed in zip(ready, commit_documents(database, preparer.spec, ready, options), strict=True):
            report.chunks += committed.chunks
            report.characters += len(prepared.document.text)
            report.duplicates += committed.outcome == "duplicate"
            report.updated += committed.updated
            report.added += not committed.updated
            known.add_text(prepared.text_sha256)
            progress.committed(prepared.source.source)
    progress.finish()


def document_of(record: TextRecord) -> ParsedDocument:
    """Return a record's cleaned text and structure: paragraphs are parted by empty lines."""
    blocks = [Block("text", paragraph) for paragraph in record.text.split("\n\n")]
    return assemble(RawDocument(blocks, "text/plain", "record", title=record.title or None), record.source)


def _groups(records: Iterable[TextRecord]) -> Iterator[list[TextRecord]]:
    iterator = iter(records)
    while group := list(islice(iterator, RECORDS_A_COMMIT)):
        # Two records of one source: the later one counts.
        yield list({record.source: record for record in group}.values())


def _prepare(
    record: TextRecord,
    preparer: Preparer,
    known: Known,
    report: IngestReport,
    options: IngestOptions,
    database: Database,
) -> Prepared | None:
    document = document_of(record)
    if not document.text:
        failure = Failure.of(record.source, EmptyDocument("the record has no text"))
        report.failed.append(failure)
        record_failure(database, report.run_id, options.collection, failure)
        return None
    before = known.get(record.source)
    same_text = before is not None and before.text_sha256 == text_sha256(document.text)
    if before is not None and before.state == "live" and same_text and before.title == document.title:
        report.unchanged += 1
        return None
    prepared = preparer.prepare(Source(record.source, _NOWHERE, record.source), document, NO_BLOB)
    prepared.allow = record.allow if record.allow is not None else options.allow
    prepared.attributes = dict(record.attributes)
    return prepared


def _embed(ready: list[Prepared], encoder: Encoder, report: IngestReport, progress: Progress) -> None:
    places = [(prepared, number) for prepared in ready for number in prepared.missing]
    began = time.perf_counter()
    vectors = encoder.encode([p.chunks[number].embedded for p, number in places], "document")
    report.embed_seconds += time.perf_counter() - began
    for (prepared, number), vector in zip(places, np.asarray(vectors, dtype=np.float32), strict=True):
        prepared.vectors[number] = vector
    progress.embedded(len(places))
