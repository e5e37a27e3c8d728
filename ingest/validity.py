"""When a document is in force and what it replaces: from the command line, or its own front matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core.db.models import Document
from core.errors import Conflict, InvalidInput
from ingest.report import IngestOptions


@dataclass(frozen=True, slots=True)
class Validity:
    """The span in which a version is in force and the key of the document it supersedes."""

    effective_from: datetime | None
    expires_at: datetime | None
    supersedes: int | None


def validity_of(session: Session, collection_id: int, metadata: Mapping[str, Any], options: IngestOptions) -> Validity:
    """Return a document's validity; the command line goes before its front matter."""
    named = options.supersedes or metadata.get("supersedes")
    return Validity(
        options.effective_from or _moment(metadata.get("effective_from")),
        options.expires_at or _moment(metadata.get("expires_at")),
        _document_named(session, collection_id, str(named)) if named else None,
    )


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
