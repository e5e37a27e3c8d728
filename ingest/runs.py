"""The row of one run: written when it starts, again when it ends, whatever ended it."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.claims import Claim, abandoned
from core.clock import now
from core.db.models import IngestRun
from core.db.session import Database
from core.settings import Settings
from ingest.report import IngestOptions, IngestReport


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
