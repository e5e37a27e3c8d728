"""The last step: the audit row and, in a conversation, the turn, in one commit.

A document may be purged while an answer is made of it. The purge is recorded before it looks for stored answers: either
it finds this one, or this one finds the purge and is kept as a purge leaves earlier answers, without its words.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit import Unlinked, append_record
from app.conversations import append_turn
from app.runtime import Runtime
from app.trace import Conclusion, Trace
from core.db.models import Purge, Turn
from core.stored_answers import PURGED, documents_of, emptied, without_lent_words
from core.types import Answer, Json, Question


def record(runtime: Runtime, trace: Trace, conclusion: Conclusion) -> Answer:
    """Write what was answered and on what grounds; nothing is shown whose record did not commit."""
    answer = trace.answer(conclusion)
    row = Unlinked.of(runtime.settings, trace, answer)
    with runtime.database.write() as session:
        content, turn = _kept(session, trace.question, row.content)
        append_record(session, row, content)
        if trace.question.conversation_id is not None:
            append_turn(session, trace.question, turn)
    return answer


def _kept(session: Session, question: Question, content: Json) -> tuple[Json | None, Json]:
    """Return what the audit row and the turn hold of an answer: of documents purged meanwhile, no words."""
    named = documents_of(content)
    if named and session.scalar(select(Purge.document_id).where(Purge.document_id.in_(named)).limit(1)) is not None:
        return None, emptied(content)
    bare = without_lent_words(content)
    if bare != content and _lent_by_purged(session, question):
        return bare, bare
    return content, content


def _lent_by_purged(session: Session, question: Question) -> bool:
    """Whether the question was read against an answer of its conversation that a purge has emptied since."""
    answered = {
        asked.content
        for asked, told in zip(question.history, question.history[1:], strict=False)
        if asked.role == "user" and told.role == "assistant" and told.content
    }
    turns = session.scalars(select(Turn).where(Turn.conversation_id == question.conversation_id))
    return any(turn.question in answered and turn.answer.get("reason") == PURGED for turn in turns)
