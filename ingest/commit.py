"""One document into the store, whole, in one transaction."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, cast
from uuid import uuid4

from sqlalchemy import Table, bindparam, delete, insert, or_, select
from sqlalchemy.orm import Session

from core.blobs import NO_BLOB, BlobStore
from core.clock import now
from core.db.changes import append_changes, touch_access
from core.db.generations import GenerationSpec, ensure_live_generation
from core.db.models import ChunkRow, Collection, Document, DocumentAccess, DocumentVersion, EmbeddingRow, IngestFailure
from core.db.session import Database
from core.errors import SourceUnavailable
from core.failpoints import failpoint
from ingest.prepared import Prepared
from ingest.promote import leave_twins, remove_document
from ingest.report import IngestOptions
from ingest.validity import Validity, refuse_circle, validity_of

# Statements are made once: making one costs more than SQLite takes to run it, and every document asks them all.
# The inserts are the tables' own, for nobody keeps these rows as objects.
_INSERT_CHUNKS = insert(cast(Table, ChunkRow.__table__))
_INSERT_EMBEDDINGS = insert(cast(Table, EmbeddingRow.__table__))
_CHUNK_IDS = (
    select(ChunkRow.id)
    .where(ChunkRow.version_key == bindparam("version"), ChunkRow.generation_id == bindparam("generation"))
    .order_by(ChunkRow.ordinal)
)
_COLLECTION = select(Collection).where(Collection.name == bindparam("name"))
_BY_SOURCE = select(Document).where(
    Document.collection_id == bindparam("collection"), Document.source == bindparam("source")
)
_SAME_TEXT = (
    select(Document.key)
    .join(DocumentVersion, DocumentVersion.document_key == Document.key)
    .where(Document.collection_id == bindparam("collection"), DocumentVersion.text_sha256 == bindparam("text_sha256"))
    .where(Document.state == "live", Document.duplicate_of.is_(None), DocumentVersion.version == Document.version)
    .order_by(Document.key)
)
_FORGET_FAILURE = delete(cast(Table, IngestFailure.__table__)).where(
    IngestFailure.collection_id == bindparam("collection"), IngestFailure.source == bindparam("source")
)

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
        generation = ensure_live_generation(session, spec)
        collection = collection_named(session, options.collection)
        committed = [_write(session, generation.id, collection, prepared, options) for prepared in documents]
        touch_access(session)
    failpoint("ingest.after_commit")
    return committed


def _write(
    session: Session, generation_id: int, collection: Collection, prepared: Prepared, options: IngestOptions
) -> Committed:
    known = _find(session, collection.id, prepared.source.source)
    if known is not None and _same(session, known, prepared):
        _set_access(session, known, prepared)
        return Committed("unchanged", known.key, False, 0)
    validity = validity_of(session, collection.id, prepared.document.metadata, options)
    document = known or Document(id=uuid4().hex, collection=collection, source=prepared.source.source, version=0)
    if known is not None:
        _supersede(session, known, generation_id, validity.effective_from)
    canonical = None if prepared.quarantine else _canonical(session, collection.id, document, prepared.text_sha256)
    _fill(document, prepared, validity, options, canonical)
    version = _add_version(session, document, prepared, validity)
    refuse_circle(session, document)
    _set_access(session, document, prepared)
    chunk_ids = _add_chunks(session, generation_id, document, version, prepared)
    if canonical is None and not prepared.quarantine:
        append_changes(session, "add", chunk_ids, generation_id)
    if known is not None or prepared.children:  # nothing lies in a new plain file
        _adopt(session, document, prepared)
    forget_failure(session, collection.id, prepared.source.source)
    return Committed(_outcome(prepared, canonical, known), document.key, known is not None, len(chunk_ids))


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


def collection_named(session: Session, name: str) -> Collection:
    """Return the collection of a name, making it where there is none."""
    collection = session.scalar(_COLLECTION, {"name": name})
    if collection is None:
        collection = Collection(name=name)
        session.add(collection)
        session.flush()
    return collection


def forget_failure(session: Session, collection_id: int, source: str) -> None:
    """Drop the record that a source failed, now that it got in."""
    session.execute(_FORGET_FAILURE, {"collection": collection_id, "source": source})


def _find(session: Session, collection_id: int, source: str) -> Document | None:
    return session.scalar(_BY_SOURCE, {"collection": collection_id, "source": source})


def _same(session: Session, known: Document, prepared: Prepared) -> bool:
    """Tell whether another run already committed these bytes for this source."""
    if known.state == "deleted":
        return False
    version = current_version(session, known)
    if version is None or version.text_sha256 != prepared.text_sha256 or known.title != prepared.document.title:
        return False
    return version.blob_sha256 == prepared.blob_sha256


def current_version(session: Session, document: Document) -> DocumentVersion | None:
    """Return a document's newest version."""
    return session.scalar(
        select(DocumentVersion).where(
            DocumentVersion.document_key == document.key, DocumentVersion.version == document.version
        )
    )


def _supersede(session: Session, known: Document, generation_id: int, heir_from: datetime | None) -> None:
    """End the old version when the new one comes into force; whoever was its twin stands on its own from now on."""
    current = current_version(session, known)
    if current is not None and current.superseded_at is None:
        current.superseded_at = max(now(), heir_from) if heir_from is not None else now()
    leave_twins(session, known, generation_id)


def _canonical(session: Session, collection_id: int, document: Document, text_sha256: str) -> int | None:
    """Return the key of the indexed document of the collection with the same cleaned text, if there is one."""
    same = session.scalars(_SAME_TEXT, {"collection": collection_id, "text_sha256": text_sha256})
    return next((key for key in same if key != document.key), None)


def _fill(
    document: Document, prepared: Prepared, validity: Validity, options: IngestOptions, canonical: int | None
) -> None:
    document.title = prepared.document.title
    document.version += 1
    document.state = "quarantined" if prepared.quarantine else "live"
    document.duplicate_of = canonical
    document.near_duplicate_of = prepared.near_duplicate_of if canonical is None else None
    document.supersedes = validity.supersedes if validity.supersedes != document.key else None
    document.attributes = {**prepared.document.metadata, **options.attributes, **prepared.attributes}
    document.updated_at = now()


def _add_version(session: Session, document: Document, prepared: Prepared, validity: Validity) -> DocumentVersion:
    parsed = prepared.document
    report: dict[str, Any] = {**parsed.report, "warnings": parsed.warnings}
    if prepared.quarantine:
        report["quarantine"] = prepared.quarantine
    version = DocumentVersion(
        document=document,
        version=document.version,
        blob_sha256=prepared.blob_sha256,
        text_sha256=prepared.text_sha256,
        text=parsed.text,
        characters=len(parsed.text),
        pages=[list(page) for page in parsed.pages],
        layout=zlib.compress(json.dumps(parsed.layout, separators=(",", ":")).encode(), 6) if parsed.layout else None,
        media_type=parsed.media_type,
        parser=parsed.parser,
        language=parsed.language,
        report=report,
        effective_from=validity.effective_from,
        expires_at=validity.expires_at,
    )
    session.add(version)
    session.flush()
    return version


def _set_access(session: Session, document: Document, prepared: Prepared) -> None:
    if prepared.allow is None:
        return
    document.own_access = True
    session.execute(delete(DocumentAccess).where(DocumentAccess.document_key == document.key))
    rows = [{"document_key": document.key, "principal": name} for name in sorted(set(prepared.allow))]
    if rows:
        session.execute(insert(DocumentAccess), rows)


def _add_chunks(
    session: Session, generation_id: int, document: Document, version: DocumentVersion, prepared: Prepared
) -> list[int]:
    rows = [
        {
            "generation_id": generation_id,
            "version_key": version.key,
            "document_key": document.key,
            "ordinal": ordinal,
            "start": chunk.start,
            "end": chunk.end,
            "page": chunk.page,
            "heading": chunk.heading,
            "text": chunk.text,
        }
        for ordinal, chunk in enumerate(prepared.chunks)
    ]
    if not rows:
        return []
    session.execute(_INSERT_CHUNKS, rows)
    # Asked for afterwards: with RETURNING, SQLite would be given one statement a passage.
    ids = list(session.scalars(_CHUNK_IDS, {"version": version.key, "generation": generation_id}))
    vectors = prepared.vectors.astype("<f4", copy=False)
    session.execute(
        _INSERT_EMBEDDINGS,
        [{"chunk_id": chunk_id, "vector": vectors[n].tobytes()} for n, chunk_id in enumerate(ids)],
    )
    return ids


def _adopt(session: Session, document: Document, prepared: Prepared) -> None:
    """Tie the documents found inside this one to it, and delete those it no longer holds."""
    children = select(Document).where(
        or_(Document.parent_key == document.key, Document.source.in_(prepared.children)),
        Document.collection_id == document.collection_id,
        Document.key != document.key,
    )
    for child in session.scalars(children):
        if child.source in prepared.children:
            child.parent_key = document.key
        elif child.state != "deleted":
            remove_document(session, child)


def _outcome(prepared: Prepared, canonical: int | None, known: Document | None) -> Outcome:
    if prepared.quarantine:
        return "quarantined"
    if canonical is not None:
        return "duplicate"
    return "added" if known is None else "updated"
