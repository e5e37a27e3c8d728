"""What readers thought of answers."""

from __future__ import annotations

from sqlalchemy import select

from app.audit import find_record
from core.clock import now
from core.db.models import Feedback
from core.db.session import Database
from core.errors import NotFound
from core.types import Json, Principal


def give_feedback(database: Database, principal: Principal, answer_id: str, rating: int, comment: str) -> Json:
    """Keep one opinion a principal and answer; a later one replaces it.

    Raises:
        NotFound: there is no such answer, or it was given to somebody else.
        Conflict: its record is broken, so that nobody can tell whose it is.
    """
    row = find_record(database, answer_id)
    if row.record["principal"] != principal.name and not principal.operator:
        raise NotFound(f"no answer {answer_id}")
    with database.write() as session:
        mine = select(Feedback).where(Feedback.answer_id == answer_id, Feedback.principal == principal.name)
        opinion = session.scalar(mine)
        if opinion is None:
            opinion = Feedback(answer_id=answer_id, principal=principal.name, rating=rating)
            session.add(opinion)
        opinion.rating, opinion.comment, opinion.created_at = rating, comment, now()
        session.flush()
        return {"answer_id": answer_id, "rating": rating, "comment": comment}


def list_feedback(database: Database, limit: int) -> list[Json]:
    """Return the newest opinions, newest first."""
    with database.read() as session:
        rows = session.scalars(select(Feedback).order_by(Feedback.created_at.desc(), Feedback.id.desc()).limit(limit))
        return [
            {
                "answer_id": row.answer_id,
                "principal": row.principal,
                "rating": row.rating,
                "comment": row.comment,
                "created_at": row.created_at.isoformat(),
            }
            for row in rows
        ]
