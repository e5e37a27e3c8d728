"""The row of one run: written when it starts, again when it ends, whatever ended it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.claims import Claim, abandoned
from core.clock import now
from core.db.models import Collection, IngestFailure, IngestRun
from core.db.session import Database
from core.settings import Settings
from ingest.commit import collection_id_of
from ingest.report import Failure, IngestOptions, IngestReport


class RunRecord:
    """A run and its report."""

    def __init__(self, database: Database, report: IngestReport, claim: Claim) -> None:
        self._database, self._claim = database, claim
        self.report = report

    @classmethod
    def start(cls, database: Database, settings: Settings, options: IngestOptions) -> RunRecord:
        """Record that a run has begun, and that those whose process died have ended."""
        settle_runs(database, settings)
        report = IngestReport(options.run_id or uuid4().hex, dry_run=options.dry_run)
        claim = Claim(_folder(settings), report.run_id)
        with database.write() as session:
            session.merge(IngestRun(id=report.run_id, state="running", principal=options.principal, report={}))
        return cls(database, report, claim)

    def finish(self) -> None:
        """Record how the run ended."""
        try:
            with self._database.write() as session:
                row = session.get_one(IngestRun, self.report.run_id)
                row.state, row.report, row.finished_at = self.report.state, self.report.to_json(), now()
        finally:
            self._claim.release()


def dead_runs(session: Session, settings: Settings) -> list[IngestRun]:
    """Return the runs that are recorded as running and whose process is gone.

    A run on another machine, over a shared server, has its folder there: only SQLite's are all of this home.
    """
    folder, rows = _folder(settings), session.scalars(select(IngestRun).where(IngestRun.state == "running")).all()
    left = {path.name for path in abandoned(folder)}
    local = session.get_bind().dialect.name == "sqlite"
    return [row for row in rows if row.id in left or (local and not (folder / row.id).exists())]


def settle_runs(database: Database, settings: Settings) -> int:
    """Record runs whose process was killed as interrupted, and return how many there were."""
    left = abandoned(_folder(settings))
    with database.read() as session:
        dead = {row.id for row in dead_runs(session, settings)}
    if dead:
        with database.write() as session:
            for row in session.scalars(select(IngestRun).where(IngestRun.id.in_(dead), IngestRun.state == "running")):
                row.state, row.finished_at = "interrupted", now()
    for folder in left:  # only when the store knows of them
        shutil.rmtree(folder, ignore_errors=True)
    return len(dead)


def _folder(settings: Settings) -> Path:
    return settings.home / "runs"


def record_failure(database: Database, run_id: str, collection: str, failure: Failure) -> None:
    """Keep a failure in the store until its source gets in."""
    with database.write() as session:
        place = collection_id_of(session, collection)
        row = session.scalar(
            select(IngestFailure).where(IngestFailure.collection_id == place, IngestFailure.source == failure.source)
        )
        if row is None:
            row = IngestFailure(collection_id=place, source=failure.source, attempts=0)
            session.add(row)
        row.run_id, row.error, row.kind, row.message = run_id, failure.error, failure.kind, failure.message
        row.attempts, row.at = (row.attempts or 0) + 1, now()


def failed_paths(database: Database, collection: str) -> list[str]:
    """Return the files and folders on this machine that failed, or that hold what failed, and are still there."""
    query = select(IngestFailure.source).join(Collection, Collection.id == IngestFailure.collection_id)
    with database.read() as session:
        sources = session.scalars(query.where(Collection.name == collection).order_by(IngestFailure.source)).all()
    files = dict.fromkeys(source.split("!/")[0] for source in sources)
    return [file for file in files if Path(file).is_absolute() and os.path.exists(file)]
