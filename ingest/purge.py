"""Purging: a document leaves every store for good, and what is left is counted.

The order makes it finishable after a crash: hide and record the purge in one commit, then blobs, answers, rows,
index files, and the bytes SQLite keeps in free pages and its log; the record is closed when nothing was found.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from core.blobs import NO_BLOB, BlobStore, sha256_of
from core.claims import sweep
from core.clock import now
from core.db.changes import append_changes, demand_rebuild, last_reset, touch_access
from core.db.models import (
    ChunkRow,
    Document,
    DocumentAccess,
    DocumentVersion,
    EmbeddingRow,
    Generation,
    IngestFailure,
    Purge,
)
from core.db.scrub import reclaim
from core.db.session import Database
from core.errors import Conflict, Forbidden, NotFound
from core.failpoints import failpoint
from core.settings import Settings
from core.types import Json, Principal
from ingest.promote import remove_document
from ingest.purge_answers import clear_answers, count_answers
from ingest.remnants import Probes, collect_probes, files_holding
from retriever.snapshot import drop_snapshots

log = logging.getLogger(__name__)

BUILT_A_SECOND = 4000
"""Passages a process at least indexes in a second; it is given that long to build anew."""
REFERENCES = (Document.duplicate_of, Document.near_duplicate_of, Document.supersedes, Document.parent_key)


def purge_document(database: Database, settings: Settings, document_id: str, principal: Principal) -> Json:
    """Remove a document, and what came out of it (attachments), from every store and prove it.

    Returns `{"id", "deleted": True, "verified": {store: count left}}`.

    Raises:
        Forbidden: only the operator purges.
        NotFound: there is no such document.
        Conflict: something of it is left; the message says where.
        Busy: the store is in use; the document is hidden, and `attest doctor --repair` finishes the purge.
    """
    if not principal.operator:
        raise Forbidden("only the operator may purge a document")
    with database.write() as session:
        family = _family(session, document_id)
        for document in family:
            _hide(session, document)
    failpoint("purge.hidden")
    verified: dict[str, int] = {}
    for document in reversed(family):
        for store, left in _finish(database, settings, document.id).items():
            verified[store] = verified.get(store, 0) + left
    if any(verified.values()):
        left_in = ", ".join(f"{count} in {store}" for store, count in verified.items() if count)
        raise Conflict(f"document {document_id} is hidden, but something of it is left: {left_in}")
    return {"id": document_id, "deleted": True, "verified": verified}


def finish_purges(database: Database, settings: Settings) -> int:
    """Finish every purge that was interrupted and return how many there were."""
    with database.read() as session:
        ids = session.scalars(select(Purge.document_id).where(Purge.finished_at.is_(None))).all()
    for document_id in ids:
        _finish(database, settings, document_id)
    return len(ids)


def _family(session: Session, document_id: str) -> list[Document]:
    """Return the document and everything that came out of it, parents first."""
    first = session.scalar(select(Document).where(Document.id == document_id))
    if first is None:
        raise NotFound(f"there is no document {document_id}")
    family = [first]
    for document in family:
        family += session.scalars(select(Document).where(Document.parent_key == document.key)).all()
    return family


def _hide(session: Session, document: Document) -> None:
    """Record the purge and take the document out of every search, in the caller's commit."""
    if session.get(Purge, document.id) is None:
        session.add(Purge(document_id=document.id))
    if document.state != "deleted":
        remove_document(session, document)
    for chunk in session.scalars(select(ChunkRow).where(ChunkRow.document_key == document.key)):
        append_changes(session, "remove", [chunk.id], chunk.generation_id)


def _finish(database: Database, settings: Settings, document_id: str) -> dict[str, int]:
    with database.read() as session:
        probes = collect_probes(session, document_id)
        blobs = session.scalars(_blob_names(document_id)).all()
    failpoint("purge.before_blobs")
    _delete_blobs(database, settings, document_id, blobs)
    with database.write() as session:
        clear_answers(session, document_id)
        _delete_rows(session, document_id)
    failpoint("purge.rows_gone")
    indexes = _scrub_indexes(database, settings)
    collections = _scrub_milvus(database, settings)
    _drop_trials(settings)
    reclaim(database)
    failpoint("purge.reclaimed")
    parsing = _copies_left(settings.home / "parsing", set(blobs))
    left = _count_left(database, settings, document_id, blobs, probes)
    verified = {**left, "indexes": indexes, "collections": collections, "parsing": parsing}
    if not any(verified.values()):
        with database.write() as session:
            session.get_one(Purge, document_id).finished_at = now()
    log.info("purged document %s: %s", document_id, verified)
    return verified


def _blob_names(document_id: str) -> Any:
    return (
        select(DocumentVersion.blob_sha256)
        .join(Document, Document.key == DocumentVersion.document_key)
        .where(Document.id == document_id, DocumentVersion.blob_sha256 != NO_BLOB)
        .distinct()
    )


def _delete_blobs(database: Database, settings: Settings, document_id: str, names: Iterable[str]) -> None:
    """Delete the blobs no other document names, while nobody can commit a row that names them."""
    store = BlobStore(settings.blobs)
    with database.write() as session:
        for name in names:
            if not _named_elsewhere(session, name, document_id):
                store.delete(name)
                failpoint("purge.blob_deleted")


def _named_elsewhere(session: Session, blob: str, document_id: str) -> bool:
    query = (
        select(DocumentVersion.key)
        .join(Document, Document.key == DocumentVersion.document_key)
        .where(DocumentVersion.blob_sha256 == blob, Document.id != document_id)
    )
    return session.scalar(query.limit(1)) is not None


def _delete_rows(session: Session, document_id: str) -> None:
    document = session.scalar(select(Document).where(Document.id == document_id))
    if document is None:
        return
    for column in REFERENCES:
        session.execute(update(Document).where(column == document.key).values({column: None}))
    session.execute(
        delete(IngestFailure).where(
            IngestFailure.collection_id == document.collection_id, IngestFailure.source == document.source
        )
    )
    chunks = select(ChunkRow.id).where(ChunkRow.document_key == document.key)
    session.execute(delete(EmbeddingRow).where(EmbeddingRow.chunk_id.in_(chunks)))
    for table in (ChunkRow, DocumentVersion, DocumentAccess):
        session.execute(delete(table).where(table.document_key == document.key))
    session.execute(delete(Document).where(Document.key == document.key))
    touch_access(session)


def _scrub_indexes(database: Database, settings: Settings) -> int:
    """Drop every snapshot, and have every running process build its index anew; return how many did not in time."""
    with database.write() as session:
        demand_rebuild(session)
    old = _working_indexes(settings)  # a process that has not met the reset works in one of these
    failpoint("purge.reset")
    with database.read() as session:
        passages = _count(session, ChunkRow, ChunkRow.id.is_not(None))
    deadline = time.monotonic() + settings.storage.busy_timeout_s + passages / BUILT_A_SECOND
    while True:
        sweep(settings.indexes / "work")
        left = old & _working_indexes(settings)
        drop_snapshots(settings.indexes)  # after looking: what was being published until then goes too
        if not left or time.monotonic() > deadline:
            return len(left)
        time.sleep(0.1)


def _scrub_milvus(database: Database, settings: Settings) -> int:
    """Drop the collections made before the reset, where vectors lie in Milvus; return how many are left."""
    if settings.retrieval.index != "milvus":
        return 0
    from retriever.milvus import drop_collections

    with database.read() as session:
        generations, reset = session.scalars(select(Generation)).all(), last_reset(session)
    return drop_collections(settings, generations, keep_from=reset)


def _drop_trials(settings: Settings) -> None:
    """Drop the stores that a search over settings filled, and its vectors: the next one fills them anew."""
    for path in (*settings.trials.glob("cut-*"), *settings.trials.glob("embeddings.db*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _copies_left(folder: Path, names: set[str]) -> int:
    """Clear what parsers that died left, and count the copies of the originals that are still being read."""
    sweep(folder)
    found = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # its parser is done with it
            if path.is_file():
                with path.open("rb") as stream:
                    found += sha256_of(stream) in names
    return found


def _working_indexes(settings: Settings) -> set[Path]:
    return {path for path in settings.indexes.glob("work/*/*") if path.is_dir()}


def _count_left(
    database: Database, settings: Settings, document_id: str, blobs: Iterable[str], probes: Probes
) -> dict[str, int]:
    store = BlobStore(settings.blobs)
    with database.read() as session:
        left = {
            "documents": _count(session, Document, Document.id == document_id),
            "versions": _count(session, DocumentVersion, DocumentVersion.document_key == probes.document_key),
            "chunks": _count(session, ChunkRow, ChunkRow.document_key == probes.document_key),
            "embeddings": _count(session, EmbeddingRow, EmbeddingRow.chunk_id.in_(probes.chunk_ids)),
            "access": _count(session, DocumentAccess, DocumentAccess.document_key == probes.document_key),
            **count_answers(session, document_id),
            "blobs": sum(store.exists(name) and not _named_elsewhere(session, name, document_id) for name in blobs),
        }
        searched = probes.unshared(session)
    found = files_holding(_files(database, settings), searched)
    for path in found:
        log.error("bytes of purged document %s are left in %s", document_id, path)
    return {**left, "files": len(found)}


def _count(session: Session, table: Any, condition: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(table).where(condition)) or 0


def _files(database: Database, settings: Settings) -> list[Path]:
    """Every file under the home, and the database wherever it lies."""
    files = {path for path in settings.home.rglob("*") if path.is_file()}
    if database.dialect == "sqlite":
        base = Path(str(database.url.database))
        files |= {path for path in base.parent.glob(f"{base.name}*") if path.is_file()}
    return sorted(files)
