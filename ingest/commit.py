"""Documents into the store, each whole, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, cast

from sqlalchemy import Row, Table, bindparam, delete, or_, select
from sqlalchemy.orm import Session

from core.blobs import NO_BLOB, BlobStore
from core.clock import now
from core.db.changes import append_changes, touch_access
from core.db.generations import GenerationSpec, live_generation_id
from core.db.grants import ensure_collection
from core.db.models import Collection, Document, DocumentVersion, IngestFailure
from core.db.prepared import Prepared as Selection
from core.db.prepared_writes import PreparedWrite
from core.db.session import Database
from core.errors import SourceUnavailable
from core.failpoints import failpoint
from ingest.amend import amend, current_version, set_access
from ingest.prepared import Prepared
from ingest.promote import indexed_twin, leave_twins, remove_document
from ingest.report import IngestOptions
from ingest.rows import HELD_OVER, add_chunks, add_version, attributes_of, document_columns, put_document
from ingest.validity import refuse_circle, validity_of

_DOCUMENTS, _VERSIONS = cast(Table, Document.__table__), cast(Table, DocumentVersion.__table__)
_COLLECTION = Selection(select(Collection.id).where(Collection.name == bindparam("name")))
_KNOWN = Selection(
    select(*(_DOCUMENTS.c[name] for name in ("key", "state", "version", "title")))
    .add_columns(*(_VERSIONS.c[name] for name in ("blob_sha256", "text_sha256")))
    .outerjoin(
        _VERSIONS, (_VERSIONS.c.document_key == _DOCUMENTS.c.key) & (_VERSIONS.c.version == _DOCUMENTS.c.version)
    )
    .where(_DOCUMENTS.c.collection_id == bindparam("collection"), _DOCUMENTS.c.source == bindparam("source"))
)
_FORGET_FAILURE = PreparedWrite(
    delete(cast(Table, IngestFailure.__table__)).where(
        IngestFailure.collection_id == bindparam("collection"), IngestFailure.source == bindparam("source")
    )
)

Outcome: TypeAlias = Literal["added", "updated", "amended", "unchanged", "duplicate", "quarantined"]


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a document; `amended`: its text stayed, what is known of it did not."""

    outcome: Outcome
    key: int
    updated: bool
    chunks: int


def commit_documents(
    database: Database,
    spec: GenerationSpec,
    documents: Sequence[Prepared],
    options: IngestOptions,
    blobs: BlobStore | None = None,
) -> list[Committed]:
    """Write documents, their versions, chunks, vectors and change log entries in one transaction, visible all at once.

    Each is whole or absent. `blobs` holds their originals.

    Raises:
        Conflict: one would supersede what supersedes it.
        NotFound: one was asked to supersede what is not there.
        SourceUnavailable: a purge took an original since it was read, and the file has changed or gone.
    """
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
    known = next(iter(_KNOWN.rows(session, collection=collection_id, source=source)), None)
    if known is not None and _same(known, prepared):
        forget_failure(session, collection_id, source)
        attributes = attributes_of(prepared.document, options, prepared.attributes)
        amended = amend(session, known.key, prepared.terms, attributes)
        if prepared.children:  # opened again for one that had failed
            _adopt(session, known.key, collection_id, prepared)
        return Committed("amended" if amended else "unchanged", known.key, amended, 0)
    validity = validity_of(session, collection_id, prepared.document, prepared.terms)
    before = _supersede(session, known.key, generation_id, validity.effective_from) if known is not None else {}
    own = known.key if known is not None else None
    canonical = None if prepared.quarantine else _canonical(session, collection_id, own, prepared)
    key = put_document(session, collection_id, known, document_columns(prepared, validity, options, canonical))
    version_key = add_version(session, key, known.version + 1 if known is not None else 1, prepared, validity, before)
    refuse_circle(session, key, source, validity.supersedes)
    set_access(session, key, prepared.terms.allow)
    chunk_ids = add_chunks(session, generation_id, key, version_key, prepared)
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
    found = _COLLECTION.rows(session, name=name)
    if found:
        return int(found[0].id)
    return ensure_collection(session, name).id


def forget_failure(session: Session, collection_id: int, source: str) -> None:
    """Drop the record that a source failed, now that it got in."""
    _FORGET_FAILURE.run(session, [{"collection": collection_id, "source": source}])


def _same(known: Row[Any], prepared: Prepared) -> bool:
    """Tell whether another run already committed these bytes for this source."""
    if known.state == "deleted" or known.title != prepared.document.title:
        return False
    return bool(known.text_sha256 == prepared.text_sha256 and known.blob_sha256 == prepared.blob_sha256)


def _supersede(session: Session, key: int, generation_id: int, heir_from: datetime | None) -> dict[str, Any]:
    """End the old version when the new one comes into force; whoever was its twin stands on its own from now on.

    Returns:
        How the document stood before, or before the update that is still held.
    """
    known = session.get_one(Document, key)
    current = current_version(session, known)
    before: dict[str, Any] = {"state": known.state, "title": known.title}
    before |= {"attributes": known.attributes, "supersedes": known.supersedes}
    if current is not None:
        if known.state == "quarantined":
            before = current.report.get(HELD_OVER, {})
        if current.superseded_at is None:
            current.superseded_at = max(now(), heir_from) if heir_from is not None else now()
    leave_twins(session, known, generation_id)
    session.flush()
    return before


def _canonical(session: Session, collection_id: int, own: int | None, prepared: Prepared) -> int | None:
    """Return the key of the indexed document of the collection with the same cleaned text, if there is one."""
    if not prepared.document.text:  # archives have none, and what lies in them differs
        return None
    return indexed_twin(session, collection_id, prepared.text_sha256, own)


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
