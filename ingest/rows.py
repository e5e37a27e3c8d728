"""The rows that one document becomes: itself, its version, its passages with their vectors.

Statements are rendered once, and on the tables: making one costs more than the database takes to run it, every
document asks them all, and nobody keeps these rows as objects.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, cast
from uuid import uuid4

from sqlalchemy import Row, Table, bindparam, insert, select, update
from sqlalchemy.orm import Session

from core.clock import now
from core.db.models import ChunkRow, Document, DocumentVersion, EmbeddingRow
from core.db.prepared import Prepared as Selection
from core.db.prepared_writes import PreparedWrite
from ingest.parsed import ParsedDocument
from ingest.prepared import Prepared
from ingest.report import IngestOptions
from ingest.validity import Validity

_DOCUMENTS, _VERSIONS = cast(Table, Document.__table__), cast(Table, DocumentVersion.__table__)
_CHUNKS = cast(Table, ChunkRow.__table__)
_INSERT_DOCUMENT = PreparedWrite(insert(_DOCUMENTS).returning(_DOCUMENTS.c.key))
_UPDATE_DOCUMENT = update(_DOCUMENTS).where(_DOCUMENTS.c.key == bindparam("known"))
_INSERT_VERSION = PreparedWrite(insert(_VERSIONS).returning(_VERSIONS.c.key))
_INSERT_CHUNKS = PreparedWrite(insert(_CHUNKS))
_INSERT_EMBEDDINGS = PreparedWrite(insert(cast(Table, EmbeddingRow.__table__)))
_CHUNK_IDS = Selection(
    select(_CHUNKS.c.id)
    .where(_CHUNKS.c.version_key == bindparam("version"), _CHUNKS.c.generation_id == bindparam("generation"))
    .order_by(_CHUNKS.c.ordinal)
)
HELD_OVER = "held_over"
"""In the report of a held version: how the document stood before, for the day the version is thrown out."""
ROWS_AT_ONCE = 4096
"""Passages written by one statement: the rows of a table of millions are never all held as parameters."""


def put_document(session: Session, collection_id: int, known: Row[Any] | None, columns: dict[str, Any]) -> int:
    """Write a document's row, a new one or over the known one, and return its key."""
    if known is not None:
        columns["supersedes"] = columns["supersedes"] if columns["supersedes"] != known.key else None
        session.execute(_UPDATE_DOCUMENT, {**columns, "version": known.version + 1, "known": known.key})
        return int(known.key)
    return _INSERT_DOCUMENT.returned(session, {**columns, "id": uuid4().hex, "collection_id": collection_id})


def document_columns(
    prepared: Prepared, validity: Validity, options: IngestOptions, canonical: int | None
) -> dict[str, Any]:
    """Return what a document's row says; `canonical` is the key of its exact duplicate."""
    return {
        "source": prepared.source.source,
        "title": prepared.document.title,
        "state": "quarantined" if prepared.quarantine else "live",
        "duplicate_of": canonical,
        "near_duplicate_of": prepared.near_duplicate_of if canonical is None else None,
        "supersedes": validity.supersedes,
        "attributes": attributes_of(prepared.document, options, prepared.attributes),
        "updated_at": now(),
    }


def attributes_of(document: ParsedDocument, options: IngestOptions, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is noted of a document: what it says itself, what the run says, what came with it."""
    return {**document.metadata, **options.attributes, **own}


def add_version(
    session: Session,
    document_key: int,
    number: int,
    prepared: Prepared,
    validity: Validity,
    before: Mapping[str, Any],
) -> int:
    """Write a document's text as a version of a number, and return its key; `before` is how the document stood."""
    parsed = prepared.document
    report: dict[str, Any] = {**parsed.report, "warnings": parsed.warnings}
    if prepared.quarantine:
        report |= {"quarantine": prepared.quarantine, HELD_OVER: dict(before)}
    columns = {
        "document_key": document_key,
        "version": number,
        "blob_sha256": prepared.blob_sha256,
        "text_sha256": prepared.text_sha256,
        "text": parsed.text,
        "characters": len(parsed.text),
        "pages": [list(page) for page in parsed.pages],
        "layout": zlib.compress(json.dumps(parsed.layout, separators=(",", ":")).encode(), 6)
        if parsed.layout
        else None,
        "media_type": parsed.media_type,
        "parser": parsed.parser,
        "language": parsed.language,
        "report": report,
        "effective_from": validity.effective_from,
        "expires_at": validity.expires_at,
    }
    return _INSERT_VERSION.returned(session, columns)


def add_chunks(
    session: Session, generation_id: int, document_key: int, version_key: int, prepared: Prepared
) -> list[int]:
    """Write a version's passages and their vectors, and return their ids in order."""
    if not prepared.chunks:
        return []
    above = {"generation_id": generation_id, "version_key": version_key, "document_key": document_key}
    for start in range(0, len(prepared.chunks), ROWS_AT_ONCE):
        rows = [
            {
                **above,
                "ordinal": ordinal,
                "start": chunk.start,
                "end": chunk.end,
                "page": chunk.page,
                "heading": chunk.heading,
                "text": chunk.text,
            }
            for ordinal, chunk in enumerate(prepared.chunks[start : start + ROWS_AT_ONCE], start)
        ]
        _INSERT_CHUNKS.run(session, rows)
    # Asked for afterwards: a statement that returns ids is run once a passage.
    ids = [row.id for row in _CHUNK_IDS.rows(session, version=version_key, generation=generation_id)]
    vectors = prepared.vectors.astype("<f4", copy=False)
    for start in range(0, len(ids), ROWS_AT_ONCE):
        some = enumerate(ids[start : start + ROWS_AT_ONCE], start)
        _INSERT_EMBEDDINGS.run(session, [{"chunk_id": each, "vector": vectors[n].tobytes()} for n, each in some])
    return ids
