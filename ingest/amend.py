"""What a run changes of a document whose text stays: its readers, its dates, what it replaces, its attributes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from core.clock import now
from core.db.models import Document, DocumentAccess, DocumentVersion
from ingest.terms import Terms
from ingest.validity import refuse_circle, superseded


def amend(session: Session, key: int, terms: Terms, attributes: Mapping[str, Any]) -> bool:
    """Give a document what is asked for it, and tell whether it stood otherwise; what is not asked stays.

    Raises:
        Conflict: it would supersede what supersedes it.
        NotFound: it was asked to supersede what is not there.
    """
    document = session.get_one(Document, key)
    changed = [
        _set_readers(session, document, terms.allow),
        _set_dates(session, document, terms.effective_from, terms.expires_at),
        _set_superseded(session, document, terms.supersedes),
        document.attributes != attributes,
    ]
    if not any(changed):
        return False
    document.attributes, document.updated_at = dict(attributes), now()
    session.flush()
    return True


def set_access(session: Session, key: int, allow: tuple[str, ...] | None) -> None:
    """Give a document a list of its own; `None` leaves its readers as they are."""
    if allow is None:
        return
    session.execute(update(Document).where(Document.key == key).values(own_access=True))
    session.execute(delete(DocumentAccess).where(DocumentAccess.document_key == key))
    rows = [{"document_key": key, "principal": name} for name in sorted(set(allow))]
    if rows:
        session.execute(insert(DocumentAccess), rows)


def current_version(session: Session, document: Document) -> DocumentVersion | None:
    """Return a document's newest version."""
    return _version(session, document.key, document.version)


def _set_readers(session: Session, document: Document, allow: tuple[str, ...] | None) -> bool:
    if allow is None:
        return False
    readers = session.scalars(select(DocumentAccess.principal).where(DocumentAccess.document_key == document.key))
    if document.own_access and set(readers) == set(allow):
        return False
    set_access(session, document.key, allow)
    return True


def _set_dates(
    session: Session, document: Document, effective_from: datetime | None, expires_at: datetime | None
) -> bool:
    version = current_version(session, document)
    if version is None:
        return False
    before = version.effective_from, version.expires_at
    if effective_from is not None and effective_from != version.effective_from:
        version.effective_from = effective_from
        last = _version(session, document.key, document.version - 1)
        if last is not None:  # it holds until this one does
            last.superseded_at = max(version.created_at, effective_from)
    version.expires_at = expires_at or version.expires_at
    return (version.effective_from, version.expires_at) != before


def _set_superseded(session: Session, document: Document, name: str | None) -> bool:
    if name is None:
        return False
    key = superseded(session, document.collection_id, name)
    if key in (document.key, document.supersedes):
        return False
    document.supersedes = key
    session.flush()
    refuse_circle(session, document.key, document.source, key)
    return True


def _version(session: Session, key: int, number: int) -> DocumentVersion | None:
    return session.scalar(
        select(DocumentVersion).where(DocumentVersion.document_key == key, DocumentVersion.version == number)
    )
