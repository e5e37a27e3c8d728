"""The documents of the store, for a principal: list, show, read, delete."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.orm import Session, aliased, defer, load_only

from core.db.access import readable
from core.db.models import ChunkRow, Collection, Document, DocumentAccess, DocumentVersion, Generation
from core.db.session import Database
from core.errors import Forbidden, NotFound
from core.types import OPERATOR, Json, Principal
from ingest.known import DELETED_BY
from ingest.promote import remove_document
from ingest.rows import HELD_OVER


def list_documents(database: Database, principal: Principal, *, collection: str | None = None) -> list[Json]:
    """Return every document the principal may read, by collection and source; the operator sees quarantined ones."""
    query = newest_versions().where(visible(principal)).order_by(Document.collection_id, Document.source)
    if collection is not None:
        query = query.join(Collection, Collection.id == Document.collection_id).where(Collection.name == collection)
    row = load_only(DocumentVersion.blob_sha256, DocumentVersion.pages)
    with database.read() as session:
        counts = _chunk_counts(session, query.with_only_columns(DocumentVersion.key).order_by(None))
        twins = _readable_twins(session, principal)
        return [
            _row(document, version, counts.get(version.key, 0), duplicate=document.duplicate_of in twins)
            for document, version in session.execute(query.options(row))
        ]


def list_collections(database: Database, principal: Principal) -> list[str]:
    """Return the names of the collections that hold a document the principal may read."""
    query = select(Collection.name).join(Document, Document.collection_id == Collection.id).where(visible(principal))
    with database.read() as session:
        return list(session.scalars(query.distinct().order_by(Collection.name)))


def show_document(database: Database, document_id: str, principal: Principal) -> Json:
    """Return a document with its versions, report and, for the operator, its readers.

    Raises:
        NotFound: there is none, or the principal may not know of it.
    """
    with database.read() as session:
        document, version = _one(session, document_id, principal)
        relations = _relations(session, document, principal)
        duplicate = relations["duplicate_of"] is not None
        shown = _row(document, version, _chunk_counts(session, [version.key]).get(version.key, 0), duplicate=duplicate)
        query = select(DocumentVersion).options(*_WITHOUT_TEXT).where(DocumentVersion.document_key == document.key)
        versions = session.scalars(query.order_by(DocumentVersion.version)).all()
        shown |= {
            "media_type": version.media_type,
            "parser": version.parser,
            "language": version.language,
            "characters": version.characters,
            "attributes": document.attributes,
            "report": {name: value for name, value in version.report.items() if name not in ("minhash", HELD_OVER)},
            "versions": [_version(row) for row in versions],
            **relations,
        }
        if principal.operator:
            readers = select(DocumentAccess.principal).where(DocumentAccess.document_key == document.key)
            shown["allow"] = sorted(session.scalars(readers)) if document.own_access else None
        return shown


def document_text(database: Database, document_id: str, principal: Principal, version: int | None = None) -> str:
    """Return the cleaned text of a version, the newest by default: what citations' offsets count in.

    Raises:
        NotFound: there is none, or the principal may not know of it.
    """
    with database.read() as session:
        document, newest = _one(session, document_id, principal)
        if version is None or version == newest.version:
            return newest.text
        text = session.scalar(
            select(DocumentVersion.text).where(
                DocumentVersion.document_key == document.key, DocumentVersion.version == version
            )
        )
    if text is None:
        raise NotFound(f"document {document_id} has no version {version}")
    return text


def delete_document(database: Database, document_id: str, principal: Principal) -> Json:
    """Make a document, and what was found inside it, a tombstone; searches stop showing it at once.

    Raises:
        Forbidden: only the operator deletes, and others what is theirs alone.
        NotFound: there is none, or the principal may not know of it.
    """
    with database.write() as session:
        document, _ = _one(session, document_id, principal)
        if not principal.operator and not _owns(document, principal):
            raise Forbidden("only the operator may delete a document that others read too")
        removed = remove_document(session, document)
        document.attributes = {**document.attributes, DELETED_BY: principal.name}
    return {"id": document_id, "deleted": True, "documents": removed, "verified": _left(database, document_id)}


def visible(principal: Principal) -> ColumnElement[bool]:
    """Return what the principal may see in a list: what it may read, and for the operator what waits for a review."""
    return or_(readable(principal), Document.state == "quarantined") if principal.operator else readable(principal)


_WITHOUT_TEXT = (defer(DocumentVersion.text), defer(DocumentVersion.layout))
"""A list shows neither, and they are most of the store."""


def newest_versions() -> Select[Document, DocumentVersion]:
    """Select documents with their newest versions, without what takes long to load."""
    return (
        select(Document, DocumentVersion)
        .options(*_WITHOUT_TEXT)
        .join(DocumentVersion, DocumentVersion.document_key == Document.key)
        .where(DocumentVersion.version == Document.version)
    )


def _one(session: Session, document_id: str, principal: Principal) -> tuple[Document, DocumentVersion]:
    found = session.execute(newest_versions().where(Document.id == document_id, visible(principal))).first()
    if found is None:
        raise NotFound(f"no document {document_id}")
    return found[0], found[1]


def _chunk_counts(session: Session, versions: Select[int] | list[int]) -> dict[int, int]:
    """Count the passages of some versions in the live generation, by version; those without any are left out."""
    live = select(Generation.id).where(Generation.state == "live").scalar_subquery()
    query = select(ChunkRow.version_key, func.count()).where(
        ChunkRow.generation_id == live, ChunkRow.version_key.in_(versions)
    )
    return dict(session.execute(query.group_by(ChunkRow.version_key)).tuples().all())


def _readable_twins(session: Session, principal: Principal) -> set[int]:
    """Return the keys of the documents that others repeat, as far as the principal may know of them."""
    other = aliased(Document)
    repeated = exists().where(other.duplicate_of == Document.key)
    return set(session.scalars(select(Document.key).where(repeated, readable(principal))))


def _row(document: Document, version: DocumentVersion, chunks: int, *, duplicate: bool) -> Json:
    return {
        "id": document.id,
        "title": document.title,
        "source": document.source,
        "collection": document.collection.name,
        "version": document.version,
        "state": document.state,
        "chunks": chunks,
        "pages": len(version.pages),
        "sha256": version.blob_sha256,
        "updated_at": document.updated_at.isoformat(),
        "duplicate": duplicate,
    }


def _version(row: DocumentVersion) -> Json:
    moments = {"effective_from": row.effective_from, "expires_at": row.expires_at, "superseded_at": row.superseded_at}
    return {
        "version": row.version,
        "sha256": row.blob_sha256,
        "characters": row.characters,
        "created_at": row.created_at.isoformat(),
        **{name: moment.isoformat() if moment else None for name, moment in moments.items()},
    }


def _relations(session: Session, document: Document, principal: Principal) -> dict[str, Any]:
    """Return the ids of related documents, as far as the principal may read them."""

    def ids(condition: ColumnElement[bool]) -> list[str]:
        return list(session.scalars(select(Document.id).where(condition, readable(principal)).order_by(Document.key)))

    return {
        "duplicate_of": next(iter(ids(Document.key == document.duplicate_of)), None),
        "near_duplicate_of": next(iter(ids(Document.key == document.near_duplicate_of)), None),
        "supersedes": next(iter(ids(Document.key == document.supersedes)), None),
        "parent": next(iter(ids(Document.key == document.parent_key)), None),
        "children": ids(Document.parent_key == document.key),
    }


def _owns(document: Document, principal: Principal) -> bool:
    """Tell whether the principal's own collection holds the document."""
    return document.collection.name == principal.name


def _left(database: Database, document_id: str) -> dict[str, int]:
    """Count what a search could still find of a deleted document."""
    with database.read() as session:
        live = session.scalar(
            select(func.count()).select_from(Document).where(Document.id == document_id, readable(OPERATOR))
        )
    return {"readable": live or 0}
