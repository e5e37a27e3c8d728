"""Purging: a document leaves every store for good, and what is left is counted.

The order makes it finishable after a crash: hide and record the purge in one commit, then blobs, answers and rows of
one document after the other, then for all at once index files, and the bytes SQLite keeps in free pages and its log;
the record of each is closed when nothing of it was found.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
from ingest.remnants import SAMPLES, Probes, collect_probes, files_holding
from retriever.snapshot import drop_snapshots

log = logging.getLogger(__name__)

BUILT_A_SECOND = 4000
"""Passages a process at least indexes in a second; it is given that long to build anew."""
MAX_SAMPLES, LEAST_SAMPLES = 16 * SAMPLES, 3
"""Passages looked for, of all documents of a purge together and of each: every file is searched for every one."""
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
    verified = _finish(database, settings, [document.id for document in reversed(family)])
    if any(verified.values()):
        left_in = ", ".join(f"{count} in {store}" for store, count in verified.items() if count)
        raise Conflict(f"document {document_id} is hidden, but something of it is left: {left_in}")
    return {"id": document_id, "deleted": True, "verified": verified}


def finish_purges(database: Database, settings: Settings) -> int:
    """Finish every purge that was interrupted and return how many there were."""
    with database.read() as session:
        ids = session.scalars(select(Purge.document_id).where(Purge.finished_at.is_(None))).all()
    if ids:
        _finish(database, settings, ids)
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


@dataclass(frozen=True, slots=True)
class _Purged:
    """A document that goes, and what to look for once it has."""

    id: str
    blobs: frozenset[str]
    probes: Probes


def _finish(database: Database, settings: Settings, ids: Sequence[str]) -> dict[str, int]:
    """Remove documents from every store and return how much is left in each; what went whole is closed."""
    with database.read() as session:
        samples = max(LEAST_SAMPLES, min(SAMPLES, MAX_SAMPLES // len(ids)))
        gone = [_Purged(one, _blob_names(session, one), collect_probes(session, one, samples)) for one in ids]
    for one in gone:
        failpoint("purge.before_blobs")
        _delete_blobs(database, settings, one)
        with database.write() as session:
            clear_answers(session, one.id)
            _delete_rows(session, one.id)
        failpoint("purge.rows_gone")
    shared = {"indexes": _scrub_indexes(database, settings), "collections": _scrub_milvus(database, settings)}
    _drop_trials(settings)
    reclaim(database)
    failpoint("purge.reclaimed")
    left = _count_left(database, settings, gone)
    if not any(shared.values()):
        _close(database, [document_id for document_id, counts in left.items() if not any(counts.values())])
    total = Counter(shared)
    for document_id, counts in left.items():
        log.info("purged document %s: %s", document_id, counts | shared)
        total.update(counts)
    return dict(total)


def _close(database: Database, ids: Iterable[str]) -> None:
    with database.write() as session:
        for document_id in ids:
            session.get_one(Purge, document_id).finished_at = now()


def _blob_names(session: Session, document_id: str) -> frozenset[str]:
    query = select(DocumentVersion.blob_sha256).join(Document, Document.key == DocumentVersion.document_key)
    return frozenset(session.scalars(query.where(Document.id == document_id, DocumentVersion.blob_sha256 != NO_BLOB)))


def _delete_blobs(database: Database, settings: Settings, gone: _Purged) -> None:
    """Delete the blobs no other document names, while nobody can commit a row that names them."""
    store = BlobStore(settings.blobs)
    with database.write() as session:
        for name in sorted(gone.blobs):
            if not _named_elsewhere(session, name, gone.id):
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


def _copies_left(folder: Path, names: Collection[str]) -> list[str]:
    """Clear what parsers that died left, and return the copies of the originals that are still being read."""
    sweep(folder)
    found = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # its parser is done with it
            if path.is_file():
                with path.open("rb") as stream:
                    found.append(sha256_of(stream))
    return [name for name in found if name in names]


def _working_indexes(settings: Settings) -> set[Path]:
    return {path for path in settings.indexes.glob("work/*/*") if path.is_dir()}


def _count_left(database: Database, settings: Settings, gone: Sequence[_Purged]) -> dict[str, dict[str, int]]:
    """Count for each document what is left of it; the files are read once for all."""
    copies = _copies_left(settings.home / "parsing", frozenset().union(*(one.blobs for one in gone)))
    left, searched = {}, {}
    with database.read() as session:
        for one in gone:
            left[one.id] = _rows_left(session, settings, one)
            left[one.id]["parsing"] = sum(name in one.blobs for name in copies)
            searched[one.id] = one.probes.unshared(session)
    found = files_holding(_files(database, settings), [probe for probes in searched.values() for probe in probes])
    for document_id, probes in searched.items():
        holding = files_holding(found, probes) if found else []
        for path in holding:
            log.error("bytes of purged document %s are left in %s", document_id, path)
        left[document_id]["files"] = len(holding)
    return left


def _rows_left(session: Session, settings: Settings, gone: _Purged) -> dict[str, int]:
    store, key = BlobStore(settings.blobs), gone.probes.document_key
    return {
        "documents": _count(session, Document, Document.id == gone.id),
        "versions": _count(session, DocumentVersion, DocumentVersion.document_key == key),
        "chunks": _count(session, ChunkRow, ChunkRow.document_key == key),
        "embeddings": _count(session, EmbeddingRow, EmbeddingRow.chunk_id.in_(gone.probes.chunk_ids)),
        "access": _count(session, DocumentAccess, DocumentAccess.document_key == key),
        **count_answers(session, gone.id),
        "blobs": sum(store.exists(name) and not _named_elsewhere(session, name, gone.id) for name in gone.blobs),
    }


def _count(session: Session, table: Any, condition: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(table).where(condition)) or 0


def _files(database: Database, settings: Settings) -> list[Path]:
    """Every file under the home, and the database wherever it lies."""
    files = {path for path in settings.home.rglob("*") if path.is_file()}
    if database.dialect == "sqlite":
        base = Path(str(database.url.database))
        files |= {path for path in base.parent.glob(f"{base.name}*") if path.is_file()}
    return sorted(files)
