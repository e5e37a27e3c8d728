"""When a document is in force and what it replaces: from the command line, its front matter, or its opening lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core.clock import now
from core.db.models import Collection, Document
from core.db.session import Database
from core.errors import Conflict, InvalidInput, NotFound
from core.in_force import OPENING, in_force
from ingest.parsed import ParsedDocument
from ingest.terms import Terms


@dataclass(frozen=True, slots=True)
class Validity:
    """The span in which a version is in force and the key of the document it supersedes."""

    effective_from: datetime | None
    expires_at: datetime | None
    supersedes: int | None


def validity_of(session: Session, collection_id: int, document: ParsedDocument, terms: Terms) -> Validity:
    """Return a document's validity; what is asked goes before its front matter, which gets a warning where it errs.

    Where neither dates it, its opening lines may say from when it is in force.

    Raises:
        NotFound: it was asked to supersede what is not there.
    """
    metadata = document.metadata
    supersedes = None
    if terms.supersedes is not None:
        supersedes = superseded(session, collection_id, terms.supersedes)
    elif metadata.get("supersedes"):
        name = str(metadata["supersedes"])
        supersedes = _document_named(session, collection_id, name)
        warning = f"it says that it supersedes {name!r}, and the collection has no such document"
        if supersedes is None and warning not in document.warnings:
            document.warnings.append(warning)
    for name in ("effective_from", "expires_at"):
        warning = f"its {name} is no date: {metadata.get(name)!r}; write it as 2026-01-31"
        if metadata.get(name) and _moment(metadata[name]) is None and warning not in document.warnings:
            document.warnings.append(warning)
    return Validity(
        terms.effective_from or _moment(metadata.get("effective_from")) or _spoken(document),
        terms.expires_at or _moment(metadata.get("expires_at")),
        supersedes,
    )


def superseded(session: Session, collection_id: int | None, name: str) -> int:
    """Return the key of the live document of a collection that a name asks to be superseded.

    Raises:
        NotFound: there is none.
    """
    found = _document_named(session, collection_id, name) if collection_id is not None else None
    if found is None:
        raise NotFound(f"the collection has no document {name!r} to supersede: name its id, or the end of its source")
    return found


def require_superseded(database: Database, collection: str, name: str) -> None:
    """Refuse a name to supersede that no document of a collection has.

    Raises:
        NotFound: there is none.
    """
    with database.read() as session:
        superseded(session, session.scalar(select(Collection.id).where(Collection.name == collection)), name)


def refuse_circle(session: Session, own: int, source: str, supersedes: int | None) -> None:
    """Refuse a document that supersedes, through whatever lies between, what supersedes it: neither would be found.

    Raises:
        Conflict: it does.
    """
    seen, key = {own}, supersedes if supersedes != own else None
    while key is not None:
        if key in seen:
            raise Conflict(f"{source} would supersede a document that supersedes it: name only one of them")
        seen.add(key)
        key = session.scalar(select(Document.supersedes).where(Document.key == key, Document.state == "live"))


def read_moment(text: str) -> datetime:
    """Return the moment an ISO 8601 date or time names; without a zone it is UTC.

    Raises:
        InvalidInput: the text is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no date; write it as 2026-01-31 or 2026-01-31T12:00:00+00:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moment(value: Any) -> datetime | None:
    """Return the moment a front matter field names, `None` where it names none."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    try:
        return read_moment(value) if isinstance(value, str) else None
    except InvalidInput:
        return None


def _spoken(document: ParsedDocument) -> datetime | None:
    """Return from when a document's own words say that it is in force.

    Only what has begun counts, and no end and no "replaces": these hide a document or its predecessor, and a sentence
    read wrongly must not. What was in force last year still answers what is asked about last year.
    """
    first = in_force(document.text[:OPENING], document.title).first
    begun = datetime.combine(first, time(), UTC) if first else None
    return begun if begun and begun <= now() else None


def _document_named(session: Session, collection_id: int, name: str) -> int | None:
    """Return the key of the document with an id or source, or whose source ends in a name."""
    suffix = "/" + name.lstrip("./")
    return session.scalar(
        select(Document.key)
        .where(
            Document.collection_id == collection_id,
            Document.state == "live",
            or_(Document.id == name, Document.source == name, Document.source.endswith(suffix, autoescape=True)),
        )
        .order_by(Document.key)
        .limit(1)
    )
