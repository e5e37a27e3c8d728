"""Stored answers in a purge: those that hold the document's words are emptied, and those it lent words to lose them.

Questions stay as they were asked, and the audit's hashes stay. A record of an earlier version also holds the query of
its answer, which its hash covers: that stays too, and is told in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, String, and_, case, cast, func, not_, or_, select, true, update
from sqlalchemy.orm import Session

from core.db.models import AuditRow, Document, Turn
from core.stored_answers import GREETING, documents_of, emptied, parsed, without_lent_words
from core.types import Json

log = logging.getLogger(__name__)


def clear_answers(session: Session, document_id: str) -> None:
    """Empty what answers hold of a document, in the caller's commit and before its own row goes."""
    for turn, answer in _turns(session, document_id):
        turn.answer, turn.query = answer, answer["query"]
    for row, content in _audited(session, document_id):
        session.execute(update(AuditRow).where(AuditRow.seq == row.seq).values(content=content))
        if row.broken:
            log.warning("the record of answer %s cannot be read: see attest audit verify", row.answer_id)
        elif content is None and "query" in row.record:
            log.warning("the record of answer %s is of an earlier version and keeps its query", row.answer_id)


def count_answers(session: Session, document_id: str) -> dict[str, int]:
    """Return how many stored answers still hold words of a document."""
    return {
        "answers": sum(1 for _ in _turns(session, document_id)),
        "audit": sum(1 for _ in _audited(session, document_id)),
    }


def _turns(session: Session, document_id: str) -> Iterator[tuple[Turn, Json]]:
    """Yield each turn that holds words of the document, with the answer that it should hold instead."""
    title = _title(session, document_id)
    begun: dict[str, int] = {}
    for turn in session.scalars(select(Turn).where(_may_name(Turn.answer, document_id)).order_by(Turn.ordinal)):
        if _names(turn.answer, document_id, title):
            begun.setdefault(turn.conversation_id, turn.ordinal)
            yield turn, emptied(turn.answer)
    for turn in session.scalars(select(Turn).where(Turn.conversation_id.in_(begun)).order_by(Turn.ordinal)):
        bare = without_lent_words(turn.answer)
        if turn.ordinal > begun[turn.conversation_id] and bare != turn.answer:
            yield turn, bare


@dataclass(frozen=True, slots=True)
class _Row:
    """An audit row, which may have been changed to hold no JSON."""

    seq: int
    answer_id: str
    record: Json
    content: Json | None
    """Empty where it cannot be read: it may hold words of any document."""
    broken: bool

    @property
    def unreadable(self) -> bool:
        """Whether there is a content that cannot be read."""
        return self.content == {}

    @property
    def conversation(self) -> str:
        """The id of its conversation, as far as its record or its content says."""
        return self.record.get("conversation_id") or (self.content or {}).get("conversation_id") or ""

    @classmethod
    def of(cls, seq: int, answer_id: str, record: str, content: str | None) -> _Row:
        read = [parsed(record), parsed(content)]
        kept = [value if isinstance(value, dict) else {} for value in read]
        broken = any(not isinstance(value, dict | None) for value in read)
        return cls(seq, answer_id, kept[0], None if read[1] is None else kept[1], broken)


def _rows(session: Session, condition: ColumnElement[bool]) -> list[_Row]:
    """Return audit rows in their order; what they hold is read as text, so that a broken one stops nothing."""
    columns = (AuditRow.seq, AuditRow.answer_id, cast(AuditRow.record, String), cast(AuditRow.content, String))
    found = session.execute(select(*columns).where(condition).order_by(AuditRow.seq))
    return [_Row.of(*row) for row in found]


def _audited(session: Session, document_id: str) -> Iterator[tuple[_Row, Json | None]]:
    """Yield each audit row that holds words of the document, with the content that it should hold instead."""
    title = _title(session, document_id)
    begun: dict[str, int] = {}
    naming = or_(_may_name(AuditRow.record, document_id), _may_name(AuditRow.content, document_id))
    for row in _rows(session, naming):
        if _recorded(row, document_id, title):
            begun.setdefault(row.conversation, row.seq)
            if row.content is not None:
                yield row, None
    begun.pop("", None)
    readable = _readable(session)
    conversation, history = (
        case((readable, AuditRow.record[name].as_string())) for name in ("conversation_id", "history_sha256")
    )
    after = or_(conversation.in_(begun), history.is_not(None), not_(readable))
    for row in _rows(session, and_(after, AuditRow.content.is_not(None))):
        bare = without_lent_words(row.content or {})
        # What a client sends as its conversation names no documents: it may hold words of any. So may what was lent to
        # an answer whose record cannot be read.
        if row.seq > begun.get(row.conversation, 0) and (row.unreadable or bare != row.content):
            yield row, bare if "query_sha256" in row.record and not row.unreadable else None


def _readable(session: Session) -> ColumnElement[bool]:
    """Return whether a record is JSON; SQLite, which does not see to that, refuses to look for a field in another."""
    return func.json_valid(AuditRow.record) == 1 if session.get_bind().dialect.name == "sqlite" else true()


def _recorded(row: _Row, document_id: str, title: str | None) -> bool:
    """Whether a row's content was made of words of the document, as its record or its content says.

    What names it and cannot be read is taken for such.
    """
    if row.unreadable:
        return True
    named = row.record.get("documents")
    if named is not None:
        return document_id in named
    cited = {citation["document_id"] for citation in row.record.get("citations", ())}
    return document_id in cited or _names(row.content or {}, document_id, title)


def _names(answer: Json, document_id: str, title: str | None) -> bool:
    """Whether an answer names the document; a greeting of before documents were noted does by its title alone."""
    if "named" not in answer and answer.get("reason") == GREETING:
        return title is not None and title in answer["text"]
    return document_id in documents_of(answer)


def _title(session: Session, document_id: str) -> str | None:
    return session.scalar(select(Document.title).where(Document.id == document_id))


def _may_name(column: Any, document_id: str) -> ColumnElement[bool]:
    text = cast(column, String)
    return or_(text.contains(document_id, autoescape=True), text.contains(f'"{GREETING}"', autoescape=True))
