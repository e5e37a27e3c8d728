"""Forgetting what was asked: the words of old answers, or of one person's, leave the record, the hashes stay.

The chain itself says what was forgotten, so that nobody can take an answer out and call it forgotten: an erasure is a
record like any other, and `app.chain` misses nothing that one names.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import String, cast, or_, select, update
from sqlalchemy.orm import Session

from app.audit import ERASURE, Unlinked, append_record, canonical
from core.clock import now
from core.db.models import AuditRow, Conversation, Feedback
from core.db.scrub import reclaim
from core.db.session import Database
from core.stored_answers import parsed
from core.types import OPERATOR, Json

AT_ONCE = 500
"""Rows in one statement, below what any database takes as parameters."""


def forget(database: Database, before: datetime, principal: str | None = None) -> Json:
    """Erase questions, answers and comments of before a moment, and conversations that were last used before it.

    With a principal only that one's. Documents and hashes stay, and so do the `kept` questions of records that earlier
    versions made, whose hash covers them.

    Raises:
        Busy: somebody reads the store for long; the words are gone from its tables, and a repair rewrites its files.
    """
    with database.write() as session:
        rows = _rows(session, before, principal)
        for start in range(0, len(rows), AT_ONCE):
            _erase(session, rows[start : start + AT_ONCE])
        kept = sum(row.holds_question for row in rows)
        ended = _conversations(session, before, principal)
        for conversation in ended:
            session.delete(conversation)
        _record(session, before, principal, len(rows))
    reclaim(database)
    done: Json = {"before": before.isoformat(), "principal": principal, "answers": len(rows)}
    return done | {"kept": kept, "conversations": len(ended)}


class _Row(NamedTuple):
    seq: int
    answer_id: str
    holds_question: bool


def _rows(session: Session, before: datetime, principal: str | None) -> list[_Row]:
    """Return each row that holds words and is to lose them; a broken one stays for the audit to tell."""
    columns = (AuditRow.seq, AuditRow.answer_id, cast(AuditRow.record, String))
    wordy = or_(AuditRow.content.is_not(None), AuditRow.question.is_not(None))
    found = []
    for seq, answer_id, text in session.execute(select(*columns).where(wordy)):
        record = parsed(text)
        if not isinstance(record, dict) or principal not in (None, record.get("principal")):
            continue
        if datetime.fromisoformat(record["at"]) < before:  # as the chain has it: nothing binds the row's own date
            found.append(_Row(seq, answer_id, "question" in record))
    return found


def _erase(session: Session, rows: Sequence[_Row]) -> None:
    places, ids = [row.seq for row in rows], [row.answer_id for row in rows]
    session.execute(update(AuditRow).where(AuditRow.seq.in_(places)).values(content=None, question=None))
    session.execute(update(Feedback).where(Feedback.answer_id.in_(ids)).values(comment=""))


def _conversations(session: Session, before: datetime, principal: str | None) -> Sequence[Conversation]:
    old = select(Conversation).where(Conversation.updated_at < before)
    return session.scalars(old if principal is None else old.where(Conversation.principal == principal)).all()


def _record(session: Session, before: datetime, principal: str | None, answers: int) -> None:
    """Chain what was forgotten."""
    erasure: Json = {
        "kind": ERASURE,
        "id": f"{ERASURE}-{uuid.uuid4().hex}",
        "at": now().isoformat(),
        "principal": OPERATOR.name,
        "before": before.isoformat(),
        "of": principal,
        "answers": answers,
    }
    append_record(session, Unlinked(erasure["id"], erasure, {}, canonical(erasure), None), None)
