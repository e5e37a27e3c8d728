"""The last step: the audit row and, in a conversation, the turn, in one commit."""

from __future__ import annotations

from app.audit import Unlinked, append_record
from app.conversations import append_turn
from app.runtime import Runtime
from app.trace import Conclusion, Trace
from core.types import Answer


def record(runtime: Runtime, trace: Trace, conclusion: Conclusion) -> Answer:
    """Write what was answered and on what grounds; nothing is shown whose record did not commit."""
    answer = trace.answer(conclusion)
    row = Unlinked.of(runtime.settings, trace, answer)
    with runtime.database.write() as session:
        append_record(session, row)
        if trace.question.conversation_id is not None:
            append_turn(session, trace.question, answer)
    return answer
