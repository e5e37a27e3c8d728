"""The row of one run: written when it starts, again when it ends, whatever ended it."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from sqlalchemy import select

from core.clock import now
from core.db.models import Collection, IngestFailure, IngestRun
from core.db.session import Database
from ingest.commit import collection_named
from ingest.report import Failure, IngestOptions, IngestReport


class RunRecord:
    """A run and its report."""

    def __init__(self, database: Database, report: IngestReport) -> None:
        self._database = database
        self.report = report

    @classmethod
    def start(cls, database: Database, options: IngestOptions) -> RunRecord:
        """Record that a run has begun."""
        report = IngestReport(options.run_id or uuid4().hex, dry_run=options.dry_run)
        with database.write() as session:
            session.merge(IngestRun(id=report.run_id, state="running", principal=options.principal, report={}))
        return cls(database, report)

    def finish(self) -> None:
        """Record how the run ended."""
        with self._database.write() as session:
            row = session.get_one(IngestRun, self.report.run_id)
            row.state, row.report, row.finished_at = self.report.state, self.report.to_json(), now()


def record_failure(database: Database, run_id: str, collection: str, failure: Failure) -> None:
    """Keep a failure in the store until its source gets in."""
    with database.write() as session:
        place = collection_named(session, collection)
        row = session.scalar(
            select(IngestFailure).where(IngestFailure.collection_id == place.id, IngestFailure.source == failure.source)
        )
        if row is None:
            row = IngestFailure(collection_id=place.id, source=failure.source, attempts=0)
            session.add(row)
        row.run_id, row.error, row.kind, row.message = run_id, failure.error, failure.kind, failure.message
        row.attempts, row.at = (row.attempts or 0) + 1, now()


def failed_paths(database: Database, collection: str) -> list[str]:
    """Return the files on this machine that failed before, or that hold what failed, and are still there."""
    query = select(IngestFailure.source).join(Collection, Collection.id == IngestFailure.collection_id)
    with database.read() as session:
        sources = session.scalars(query.where(Collection.name == collection).order_by(IngestFailure.source)).all()
    files = dict.fromkeys(source.split("!/")[0] for source in sources)
    return [file for file in files if Path(file).is_absolute() and Path(file).is_file()]
