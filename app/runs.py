"""Runs of ingestion as the API tells of them: their rows, and of those under way how far they have come."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.runtime import Runtime
from app.uploads import Uploads
from core.db.changes import last_seq
from core.db.models import IngestRun
from core.errors import NotFound
from core.settings import Settings
from core.types import Json, Principal


def list_runs(runtime: Runtime, principal: Principal, limit: int) -> list[Json]:
    """Return the latest runs the principal began, newest first; every run for the operator."""
    query = select(IngestRun).order_by(IngestRun.started_at.desc(), IngestRun.id).limit(limit)
    if not principal.operator:
        query = query.where(IngestRun.principal == principal.name)
    with runtime.database.read() as session:
        rows = session.scalars(query).all()
        killed = _killed(session, rows, runtime.settings)
        return [_run_json(row, killed) for row in rows]


def show_run(runtime: Runtime, uploads: Uploads, principal: Principal, run_id: str) -> Json:
    """Return a run and how far it has come; `seq` given as `min_seq` reads what it has written so far.

    An upload that could not be ingested just now is `queued` again, whatever its last attempt wrote.

    Raises:
        NotFound: there is none, or somebody else began it.
    """
    waits = uploads.waits(run_id)  # before the row is read: a run that ends meanwhile is told as not ended yet
    with runtime.database.read() as session:
        row = session.get(IngestRun, run_id)
        if row is None or (row.principal != principal.name and not principal.operator):
            raise NotFound(f"no run {run_id}")
        killed = _killed(session, [row], runtime.settings)
        told = uploads.progress(run_id) | _run_json(row, killed) | {"seq": last_seq(session)}
        if waits and row.state != "running":
            told |= {"state": "queued", "finished_at": None}
        return told


def _killed(session: Session, rows: Sequence[IngestRun], settings: Settings) -> set[str]:
    """Return which of the runs are recorded as running although their process is gone; the next ingest records it."""
    from ingest.runs import dead_runs

    if all(row.state != "running" for row in rows):
        return set()
    return {row.id for row in dead_runs(session, settings)}


def _run_json(row: IngestRun, killed: Collection[str]) -> Json:
    finished = row.finished_at.isoformat() if row.finished_at else None
    head = {"run_id": row.id, "state": "interrupted" if row.id in killed else row.state, "principal": row.principal}
    return {**row.report, **head, "started_at": row.started_at.isoformat(), "finished_at": finished}
