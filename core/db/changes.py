"""The change log: what indexes follow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from sqlalchemy import Table, func, insert, select
from sqlalchemy.orm import Session

from core.db.bell import ring
from core.db.models import Change
from core.db.prepared import Prepared
from core.db.prepared_writes import PreparedWrite

_INSERT = PreparedWrite(insert(cast(Table, Change.__table__)))  # the table itself: nobody keeps these rows as objects
_NEWEST = Prepared(select(func.max(Change.seq)))  # asked by every search


def append_changes(session: Session, op: str, chunk_ids: Iterable[int], generation_id: int) -> None:
    """Log the adding (`add`) or removing (`remove`) of chunks in the caller's transaction."""
    rows = [{"op": op, "chunk_id": chunk_id, "generation_id": generation_id} for chunk_id in chunk_ids]
    if rows:
        _INSERT.run(session, rows)
        ring(session)


def touch_access(session: Session) -> None:
    """Log that permissions, states or versions in force changed, so that cached permitted sets are dropped."""
    _INSERT.run(session, [{"op": "access"}])
    ring(session)


def demand_rebuild(session: Session) -> None:
    """Log that every index made before this entry, snapshots and working files too, must give way to a new one."""
    _INSERT.run(session, [{"op": "reset"}])
    ring(session)


def last_reset(session: Session) -> int:
    """Return the number of the newest `reset` entry, 0 where there is none."""
    return session.scalar(select(func.max(Change.seq)).where(Change.op == "reset")) or 0


def last_seq(session: Session) -> int:
    """Return the newest sequence number of the log, 0 where it is empty."""
    (newest,) = _NEWEST.rows(session)[0]
    return newest or 0
