"""Stored answers in a purge: those that hold the document's words are emptied, and those it lent words to lose them.

Questions stay as they were asked, and the audit's hashes stay. A record of an earlier version also holds the query of
its answer, which its hash covers: that stays too, and is told in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, String, cast, or_, select
from sqlalchemy.orm import Session

from core.db.models import AuditRow, Document, Turn
from core.stored_answers import EMPTIED, GREETING, documents_of, without_lent_words
from core.types import Json

log = logging.getLogger(__name__)


def clear_answers(session: Session, document_id: str) -> None:
    """Empty what answers hold of a document, in the caller's commit and before its own row goes."""
    for turn, answer in _turns(session, document_id):
        turn.answer, turn.query = answer, answer["query"]
    for row, content in _audited(session, document_id):
        row.content = content
        if content is None and "query" in row.record:
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
            yield turn, {**turn.answer, **EMPTIED, "reason": "purged"}
    for turn in session.scalars(select(Turn).where(Turn.conversation_id.in_(begun)).order_by(Turn.ordinal)):
        bare = without_lent_words(turn.answer)
        if turn.ordinal > begun[turn.conversation_id] and bare != turn.answer:
            yield turn, bare


def _audited(session: Session, document_id: str) -> Iterator[tuple[AuditRow, Json | None]]:
    """Yield each audit row that holds words of the document, with the content that it should hold instead."""
    title = _title(session, document_id)
    begun: dict[str, int] = {}
    naming = or_(_may_name(AuditRow.record, document_id), _may_name(AuditRow.content, document_id))
    for row in session.scalars(select(AuditRow).where(naming).order_by(AuditRow.seq)):
        if _recorded(row, document_id, title):
            begun.setdefault(row.record.get("conversation_id") or "", row.seq)
            if row.content is not None:
                yield row, None
    begun.pop("", None)
    conversation = AuditRow.record["conversation_id"].as_string()
    after = or_(conversation.in_(begun), AuditRow.record["history_sha256"].as_string().is_not(None))
    for row in session.scalars(select(AuditRow).where(after, AuditRow.content.is_not(None)).order_by(AuditRow.seq)):
        bare = without_lent_words(row.content or {})
        # What a client sends as its conversation names no documents: it may hold words of any.
        first = begun.get(row.record.get("conversation_id") or "", 0)
        if row.seq > first and bare != row.content:
            yield row, bare if "query_sha256" in row.record else None


def _recorded(row: AuditRow, document_id: str, title: str | None) -> bool:
    """Whether a row's content was made of words of the document, as its record or its content says."""
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
