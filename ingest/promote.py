"""Exact duplicates change roles: when the indexed copy goes, another takes over in the same transaction."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from core.clock import now
from core.db.changes import append_changes, touch_access
from core.db.generations import live_generation
from core.db.models import ChunkRow, Document, DocumentAccess, DocumentVersion
from core.db.prepared import Prepared as Selection

_SAME_TEXT = Selection(
    select(Document.key)
    .join(
        DocumentVersion,
        (DocumentVersion.document_key == Document.key) & (DocumentVersion.version == Document.version),
    )
    .where(Document.collection_id == bindparam("collection"), DocumentVersion.text_sha256 == bindparam("text_sha256"))
    .where(Document.state == "live", Document.duplicate_of.is_(None))
    .order_by(Document.key)
)


def indexed_twin(session: Session, collection_id: int, text_sha256: str, own: int | None) -> int | None:
    """Return the key of the indexed document of a collection with the same cleaned text, other than `own`."""
    same = _SAME_TEXT.rows(session, collection=collection_id, text_sha256=text_sha256)
    return next((row.key for row in same if row.key != own), None)


def leave_twins(session: Session, document: Document, generation_id: int) -> None:
    """Let the oldest duplicate of a document stand in its place in the index, and the others follow that one."""
    twins = list(session.scalars(select(Document).where(Document.duplicate_of == document.key).order_by(Document.key)))
    live = [twin for twin in twins if twin.state == "live"]
    if live:
        heir = live[0]
        heir.duplicate_of = None
        append_changes(session, "add", current_chunks(session, heir, generation_id), generation_id)
    for twin in twins:
        if not live or twin is not live[0]:
            twin.duplicate_of = live[0].key if live else None
    session.execute(update(Document).where(Document.near_duplicate_of == document.key).values(near_duplicate_of=None))


def remove_document(session: Session, document: Document) -> int:
    """Make a document a tombstone and take its chunks and those of the documents inside it out of the index.

    Returns:
        How many documents were removed.
    """
    generation = live_generation(session)
    if generation is not None:
        ids = session.scalars(
            select(ChunkRow.id).where(ChunkRow.document_key == document.key, ChunkRow.generation_id == generation.id)
        ).all()
        # a duplicate's newest passages were never indexed, those from before it became one were
        never = set(current_chunks(session, document, generation.id)) if document.duplicate_of is not None else set()
        append_changes(session, "remove", [chunk_id for chunk_id in ids if chunk_id not in never], generation.id)
        leave_twins(session, document, generation.id)
    document.state = "deleted"
    document.duplicate_of = document.near_duplicate_of = document.supersedes = None
    document.own_access = False  # if it comes again one day, its readers are whom that day names
    session.execute(delete(DocumentAccess).where(DocumentAccess.document_key == document.key))
    document.updated_at = now()
    touch_access(session)
    removed = 1
    inside = select(Document).where(Document.parent_key == document.key, Document.state != "deleted")
    for child in session.scalars(inside).all():
        removed += remove_document(session, child)
    return removed


def current_chunks(session: Session, document: Document, generation_id: int) -> list[int]:
    """Return the ids of the chunks of a document's newest version in one generation."""
    return list(
        session.scalars(
            select(ChunkRow.id)
            .join(DocumentVersion, DocumentVersion.key == ChunkRow.version_key)
            .where(
                ChunkRow.document_key == document.key,
                ChunkRow.generation_id == generation_id,
                DocumentVersion.version == document.version,
            )
            .order_by(ChunkRow.ordinal)
        )
    )
