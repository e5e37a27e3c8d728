"""One document into the store, whole, in one transaction."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, cast
from uuid import uuid4

from sqlalchemy import CursorResult, Result, Row, Table, bindparam, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from core.blobs import NO_BLOB, BlobStore
from core.clock import now
from core.db.changes import append_changes, touch_access
from core.db.generations import GenerationSpec, live_generation_id
from core.db.models import ChunkRow, Collection, Document, DocumentAccess, DocumentVersion, EmbeddingRow, IngestFailure
from core.db.session import Database
from core.errors import SourceUnavailable
from core.failpoints import failpoint
from ingest.prepared import Prepared
from ingest.promote import leave_twins, remove_document
from ingest.report import IngestOptions
from ingest.validity import Validity, refuse_circle, validity_of

# Statements are made once, and on the tables: making one costs more than SQLite takes to run it, every document asks
# them all, and nobody keeps these rows as objects.
_DOCUMENTS, _VERSIONS = cast(Table, Document.__table__), cast(Table, DocumentVersion.__table__)
_CHUNKS, _COLLECTIONS = cast(Table, ChunkRow.__table__), cast(Table, Collection.__table__)
_INSERT_DOCUMENT, _INSERT_VERSION = insert(_DOCUMENTS), insert(_VERSIONS)
_UPDATE_DOCUMENT = update(_DOCUMENTS).where(_DOCUMENTS.c.key == bindparam("known"))
_INSERT_CHUNKS = insert(_CHUNKS)
_INSERT_EMBEDDINGS = insert(cast(Table, EmbeddingRow.__table__))
_CHUNK_IDS = (
    select(_CHUNKS.c.id)
    .where(_CHUNKS.c.version_key == bindparam("version"), _CHUNKS.c.generation_id == bindparam("generation"))
    .order_by(_CHUNKS.c.ordinal)
)
_COLLECTION = select(_COLLECTIONS.c.id).where(_COLLECTIONS.c.name == bindparam("name"))
_KNOWN = (
    select(*(_DOCUMENTS.c[name] for name in ("key", "state", "version", "title")))
    .add_columns(*(_VERSIONS.c[name] for name in ("blob_sha256", "text_sha256")))
    .outerjoin(
        _VERSIONS, (_VERSIONS.c.document_key == _DOCUMENTS.c.key) & (_VERSIONS.c.version == _DOCUMENTS.c.version)
    )
    .where(_DOCUMENTS.c.collection_id == bindparam("collection"), _DOCUMENTS.c.source == bindparam("source"))
)
_SAME_TEXT = (
    select(_DOCUMENTS.c.key)
    .join(_VERSIONS, (_VERSIONS.c.document_key == _DOCUMENTS.c.key) & (_VERSIONS.c.version == _DOCUMENTS.c.version))
    .where(_DOCUMENTS.c.collection_id == bindparam("collection"), _VERSIONS.c.text_sha256 == bindparam("text_sha256"))
    .where(_DOCUMENTS.c.state == "live", _DOCUMENTS.c.duplicate_of.is_(None))
    .order_by(_DOCUMENTS.c.key)
)
_FORGET_FAILURE = delete(cast(Table, IngestFailure.__table__)).where(
    IngestFailure.collection_id == bindparam("collection"), IngestFailure.source == bindparam("source")
)
ROWS_AT_ONCE = 4096
"""Passages written by one statement: the rows of a table of millions are never all held as parameters."""

Outcome: TypeAlias = Literal["added", "updated", "unchanged", "duplicate", "quarantined"]


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a document."""

    outcome: Outcome
    key: int
    updated: bool
    chunks: int


def commit_document(
    database: Database,
    spec: GenerationSpec,
    prepared: Prepared,
    options: IngestOptions,
    blobs: BlobStore | None = None,
) -> Committed:
    """Write a document, its version, chunks, vectors and change log entries, visible all at once.

    Raises:
        Conflict: it would supersede what supersedes it.
        SourceUnavailable: a purge took the original since it was read, and the file has changed or gone.
    """
    return commit_documents(database, spec, [prepared], options, blobs)[0]


def commit_documents(
    database: Database,
    spec: GenerationSpec,
    documents: Sequence[Prepared],
    options: IngestOptions,
    blobs: BlobStore | None = None,
) -> list[Committed]:
    """Write several documents in one transaction; each is whole or absent. `blobs` holds their originals."""
    failpoint("ingest.before_commit")
    with database.write() as session:
        if blobs is not None:
            for prepared in documents:
                _keep_original(blobs, prepared)
        generation = live_generation_id(session, spec)
        collection = collection_id_of(session, options.collection)
        committed = [_write(session, generation, collection, prepared, options) for prepared in documents]
        touch_access(session)
    failpoint("ingest.after_commit")
    return committed


def _write(
    session: Session, generation_id: int, collection_id: int, prepared: Prepared, options: IngestOptions
) -> Committed:
    source = prepared.source.source
    known = session.execute(_KNOWN, {"collection": collection_id, "source": source}).first()
    if known is not None and _same(known, prepared):
        _set_access(session, known.key, prepared)
        return Committed("unchanged", known.key, False, 0)
    validity = validity_of(session, collection_id, prepared.document.metadata, options)
    if known is not None:
        _supersede(session, known.key, generation_id, validity.effective_from)
    own = known.key if known is not None else None
    canonical = None if prepared.quarantine else _canonical(session, collection_id, own, prepared.text_sha256)
    key = _put_document(session, collection_id, known, _columns(prepared, validity, options, canonical))
    version_key = _add_version(session, key, known.version + 1 if known is not None else 1, prepared, validity)
    refuse_circle(session, key, source, validity.supersedes)
    _set_access(session, key, prepared)
    chunk_ids = _add_chunks(session, generation_id, key, version_key, prepared)
    if canonical is None and not prepared.quarantine:
        append_changes(session, "add", chunk_ids, generation_id)
    if known is not None or prepared.children:  # nothing lies in a new plain file
        _adopt(session, key, collection_id, prepared)
    forget_failure(session, collection_id, source)
    return Committed(_outcome(prepared, canonical, known), key, known is not None, len(chunk_ids))


def _keep_original(blobs: BlobStore, prepared: Prepared) -> None:
    """Store the original again where a purge of its twin took it since it was read; no purge comes between now."""
    if prepared.blob_sha256 == NO_BLOB or blobs.exists(prepared.blob_sha256):
        return
    try:
        kept = blobs.put(prepared.source.path)
    except OSError as error:
        raise SourceUnavailable(f"cannot read the file again: {error.strerror or error}") from error
    if kept != prepared.blob_sha256:
        raise SourceUnavailable("the file changed while it was being read")


def collection_id_of(session: Session, name: str) -> int:
    """Return the id of the collection of a name, making it where there is none."""
    found = session.scalar(_COLLECTION, {"name": name})
    if found is None:
        collection = Collection(name=name)
        session.add(collection)
        session.flush()
        found = collection.id
    return found


def forget_failure(session: Session, collection_id: int, source: str) -> None:
    """Drop the record that a source failed, now that it got in."""
    session.execute(_FORGET_FAILURE, {"collection": collection_id, "source": source})


def _same(known: Row[Any], prepared: Prepared) -> bool:
    """Tell whether another run already committed these bytes for this source."""
    if known.state == "deleted" or known.title != prepared.document.title:
        return False
    return bool(known.text_sha256 == prepared.text_sha256 and known.blob_sha256 == prepared.blob_sha256)


def current_version(session: Session, document: Document) -> DocumentVersion | None:
    """Return a document's newest version."""
    return session.scalar(
        select(DocumentVersion).where(
            DocumentVersion.document_key == document.key, DocumentVersion.version == document.version
        )
    )


def _supersede(session: Session, key: int, generation_id: int, heir_from: datetime | None) -> None:
    """End the old version when the new one comes into force; whoever was its twin stands on its own from now on."""
    known = session.get_one(Document, key)
    current = current_version(session, known)
    if current is not None and current.superseded_at is None:
        current.superseded_at = max(now(), heir_from) if heir_from is not None else now()
    leave_twins(session, known, generation_id)
    session.flush()


def _canonical(session: Session, collection_id: int, own: int | None, text_sha256: str) -> int | None:
    """Return the key of the indexed document of the collection with the same cleaned text, if there is one."""
    same = session.scalars(_SAME_TEXT, {"collection": collection_id, "text_sha256": text_sha256})
    return next((key for key in same if key != own), None)


def _columns(prepared: Prepared, validity: Validity, options: IngestOptions, canonical: int | None) -> dict[str, Any]:
    return {
        "source": prepared.source.source,
        "title": prepared.document.title,
        "state": "quarantined" if prepared.quarantine else "live",
        "duplicate_of": canonical,
        "near_duplicate_of": prepared.near_duplicate_of if canonical is None else None,
        "supersedes": validity.supersedes,
        "attributes": {**prepared.document.metadata, **options.attributes, **prepared.attributes},
        "updated_at": now(),
    }


def _put_document(session: Session, collection_id: int, known: Row[Any] | None, columns: dict[str, Any]) -> int:
    """Write a document's row, a new one or over the known one, and return its key."""
    if known is not None:
        columns["supersedes"] = columns["supersedes"] if columns["supersedes"] != known.key else None
        session.execute(_UPDATE_DOCUMENT, {**columns, "version": known.version + 1, "known": known.key})
        return int(known.key)
    new = {"id": uuid4().hex, "collection_id": collection_id, "version": 1}
    return _key(session.execute(_INSERT_DOCUMENT, columns | new))


def _key(added: Result[Any]) -> int:
    """Return the primary key of the row that a statement added."""
    key = cast(CursorResult[Any], added).inserted_primary_key
    assert key is not None
    return int(key[0])


def _add_version(session: Session, document_key: int, number: int, prepared: Prepared, validity: Validity) -> int:
    parsed = prepared.document
    report: dict[str, Any] = {**parsed.report, "warnings": parsed.warnings}
    if prepared.quarantine:
        report["quarantine"] = prepared.quarantine
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
    return _key(session.execute(_INSERT_VERSION, columns))


def _set_access(session: Session, key: int, prepared: Prepared) -> None:
    if prepared.allow is None:
        return
    session.execute(update(Document).where(Document.key == key).values(own_access=True))
    session.execute(delete(DocumentAccess).where(DocumentAccess.document_key == key))
    rows = [{"document_key": key, "principal": name} for name in sorted(set(prepared.allow))]
    if rows:
        session.execute(insert(DocumentAccess), rows)


def _add_chunks(
    session: Session, generation_id: int, document_key: int, version_key: int, prepared: Prepared
) -> list[int]:
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
        session.execute(_INSERT_CHUNKS, rows)
    # Asked for afterwards: with RETURNING, SQLite would be given one statement a passage.
    ids = list(session.scalars(_CHUNK_IDS, {"version": version_key, "generation": generation_id}))
    vectors = prepared.vectors.astype("<f4", copy=False)
    for start in range(0, len(ids), ROWS_AT_ONCE):
        some = enumerate(ids[start : start + ROWS_AT_ONCE], start)
        session.execute(_INSERT_EMBEDDINGS, [{"chunk_id": each, "vector": vectors[n].tobytes()} for n, each in some])
    return ids


def _adopt(session: Session, key: int, collection_id: int, prepared: Prepared) -> None:
    """Tie the documents found inside this one to it, and delete those it no longer holds."""
    children = select(Document).where(
        or_(Document.parent_key == key, Document.source.in_(prepared.children)),
        Document.collection_id == collection_id,
        Document.key != key,
    )
    for child in session.scalars(children):
        if child.source in prepared.children:
            child.parent_key = key
        elif child.state != "deleted":
            remove_document(session, child)


def _outcome(prepared: Prepared, canonical: int | None, known: Row[Any] | None) -> Outcome:
    if prepared.quarantine:
        return "quarantined"
    if canonical is not None:
        return "duplicate"
    return "added" if known is None else "updated"
