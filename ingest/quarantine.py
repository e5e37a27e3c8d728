"""The review of documents held back at ingestion: list them, let them in, or throw out what was held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from core.blobs import NO_BLOB, BlobStore
from core.clock import now
from core.db.changes import append_changes, touch_access
from core.db.generations import live_generation
from core.db.models import Change, ChunkRow, Document, DocumentVersion, EmbeddingRow
from core.db.replay import complete_log
from core.db.scrub import reclaim
from core.db.session import Database
from core.errors import Conflict, Forbidden, NotFound
from core.settings import Settings
from core.types import Json, Principal
from ingest.amend import current_version
from ingest.documents import newest_versions
from ingest.promote import current_chunks, indexed_twin, remove_document
from ingest.purge import purge_document
from ingest.rows import HELD_OVER


def list_quarantine(database: Database, principal: Principal) -> list[Json]:
    """Return the documents that wait for a review, with the reason and the version that stands again on a rejection.

    Raises:
        Forbidden: only the operator reviews.
    """
    _require_operator(principal)
    query = newest_versions().where(Document.state == "quarantined").order_by(Document.source)
    with database.read() as session:
        return [
            {"id": document.id, "title": document.title, "source": document.source}
            | {"collection": document.collection.name, "reason": version.report.get("quarantine", "")}
            | {"version_before": (document.version - len(_held(session, document))) or None}
            for document, version in session.execute(query)
        ]


def release_document(database: Database, document_id: str, principal: Principal) -> Json:
    """Publish a quarantined document as it is.

    Raises:
        Forbidden: only the operator reviews.
        Conflict: the document is not in quarantine.
    """
    with database.write() as session:
        document = _quarantined(session, document_id, principal)
        generation = live_generation(session)
        document.state, document.updated_at = "live", now()
        if generation is not None:
            chunks = current_chunks(session, document, generation.id)
            append_changes(session, "add", chunks, generation.id)
        touch_access(session)
    return {"id": document_id, "released": True}


def reject_document(database: Database, settings: Settings, document_id: str, principal: Principal) -> Json:
    """Remove for good what was held back: the document, or only its update where an earlier version had got in.

    Returns `{"rejected": True, "id", "restored_version", "deleted", "verified": {store: count left}}`:
    `restored_version` is the number of the version that stands again, `None` where the document is gone whole.

    Raises:
        Forbidden: only the operator reviews.
        Conflict: the document is not in quarantine, or something of it is left.
        Busy: the store is in use: what was held is gone, its bytes may lie in the database's free pages.
    """
    with database.write() as session:
        document = _quarantined(session, document_id, principal)
        held = _held(session, document)
        kept = document.version - len(held)
        if kept:
            keys, before = [version.key for version in held], held[-1].report.get(HELD_OVER, {})
            inside = _found_inside(session, document, held[-1])
            chunks = _drop_versions(session, BlobStore(settings.blobs), document, held)
            _restore(session, document, before)
    if not kept:
        return {"rejected": True, "restored_version": None} | purge_document(database, settings, document_id, principal)
    for child in inside:
        purge_document(database, settings, child, principal)
    reclaim(database)
    with database.read() as session:
        left = _count(session, keys, chunks)
    return {"rejected": True, "restored_version": kept, "id": document_id, "deleted": False, "verified": left}


def _held(session: Session, document: Document) -> list[DocumentVersion]:
    """Return the versions that nobody ever saw, newest first: a held update may have been replaced by another."""
    served = exists().where(
        ChunkRow.version_key == DocumentVersion.key, Change.chunk_id == ChunkRow.id, Change.op == "add"
    )
    query = select(DocumentVersion, served).where(DocumentVersion.document_key == document.key)
    newest_first = session.execute(query.order_by(DocumentVersion.version.desc())).all()
    return [row[0] for row in takewhile(lambda row: "quarantine" in row[0].report and not row[1], newest_first)]


def _found_inside(session: Session, document: Document, first_held: DocumentVersion) -> list[str]:
    """Return the ids of the documents that came out of the held versions alone."""
    query = select(Document.id).where(Document.parent_key == document.key)
    return list(session.scalars(query.where(Document.created_at >= first_held.created_at)))


def _drop_versions(
    session: Session, blobs: BlobStore, document: Document, versions: Sequence[DocumentVersion]
) -> list[int]:
    """Delete versions with their passages and the originals no other version names; return the passages' ids."""
    keys = [version.key for version in versions]
    chunks = list(session.scalars(select(ChunkRow.id).where(ChunkRow.version_key.in_(keys))))
    for name in {version.blob_sha256 for version in versions} - {NO_BLOB}:  # first, as a purge does: to be done again
        others = exists().where(DocumentVersion.blob_sha256 == name, DocumentVersion.key.not_in(keys))
        if not session.scalar(select(others)):
            blobs.delete(name)
    owned = select(ChunkRow.id).where(ChunkRow.version_key.in_(keys))
    session.execute(delete(EmbeddingRow).where(EmbeddingRow.chunk_id.in_(owned)))
    session.execute(delete(ChunkRow).where(ChunkRow.version_key.in_(keys)))
    session.execute(delete(DocumentVersion).where(DocumentVersion.key.in_(keys)))
    document.version = versions[-1].version - 1
    return chunks


def _restore(session: Session, document: Document, before: Mapping[str, Any]) -> None:
    """Let a document stand as it did before its update was held, by what was noted of it then."""
    version = current_version(session, document)
    if version is None:
        raise Conflict(f"document {document.id} has no version before the one held; purge it instead")
    document.state, document.updated_at = "live", now()
    document.title = before.get("title", document.title)
    document.attributes = before.get("attributes", document.attributes)
    document.supersedes, document.near_duplicate_of = before.get("supersedes"), None
    document.duplicate_of = indexed_twin(session, document.collection_id, version.text_sha256, document.key)
    version.superseded_at = None
    session.flush()
    if before.get("state") == "deleted":
        remove_document(session, document)
    complete_log(session)
    touch_access(session)


def _count(session: Session, versions: Sequence[int], chunks: Sequence[int]) -> dict[str, int]:
    """Count what is left of versions and passages, by their keys and ids."""
    return {
        "versions": session.scalar(select(func.count()).where(DocumentVersion.key.in_(versions))) or 0,
        "chunks": session.scalar(select(func.count()).where(ChunkRow.id.in_(chunks))) or 0,
    }


def _quarantined(session: Session, document_id: str, principal: Principal) -> Document:
    _require_operator(principal)
    document = session.scalar(select(Document).where(Document.id == document_id))
    if document is None:
        raise NotFound(f"no document {document_id}")
    if document.state != "quarantined":
        raise Conflict(f"document {document_id} is not in quarantine but {document.state}")
    return document


def _require_operator(principal: Principal) -> None:
    if not principal.operator:
        raise Forbidden("only the operator reviews documents in quarantine")
