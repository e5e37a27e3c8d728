"""The list of what did not get in: kept until it does, or is no more, with the terms on which it was to come in."""

from __future__ import annotations

import re
from collections.abc import Collection as Container
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.clock import now
from core.db.models import Collection, IngestFailure
from core.db.session import Database
from ingest.commit import collection_id_of, forget_failure
from ingest.containers import INSIDE
from ingest.places import holders_of, is_gone, lies_beside
from ingest.report import Failure
from ingest.terms import Terms

LINE = "-:"
"""Before the number of a line of the standard input that is no record."""

NO_TEXT = "the record has no text"
"""Why a record failed: it came on the standard input, and what its source names was never where it came from."""


class FailureList:
    """The failures of a collection: as a run finds them, and as it leaves them."""

    def __init__(self, database: Database, collection: str, found: Mapping[str, IngestFailure]) -> None:
        self._database, self._collection, self._found = database, collection, found
        self._holders = {holder for source in found for holder in holders_of(source)}

    def record(self, run_id: str, failure: Failure, terms: Terms) -> None:
        """Keep a failure in the store until its source gets in."""
        with self._database.write() as session:
            place = collection_id_of(session, self._collection)
            row = _row(session, place, failure.source)
            if row is None:
                row = IngestFailure(collection_id=place, source=failure.source, attempts=0)
                session.add(row)
            row.run_id, row.error, row.kind, row.message = run_id, failure.error, failure.kind, failure.message
            row.attempts, row.at = (row.attempts or 0) + 1, now()
            _keep(row, terms)

    def keep(self, source: str, terms: Terms) -> None:
        """Keep what is asked anew for a source that is not tried again."""
        with self._database.write() as session:
            row = _row(session, collection_id_of(session, self._collection), source)
            if row is not None:
                _keep(row, terms)

    def forget(self, *sources: str) -> None:
        """Strike sources that are good, or are no more, as far as the run found them on the list."""
        listed = [source for source in sources if source in self._found]
        if listed:
            with self._database.write() as session:
                for source in listed:
                    forget_failure(session, collection_id_of(session, self._collection), source)

    def forget_inside(self, container: str, held: Container[str]) -> None:
        """Strike what failed in a container that is in the store and no longer holds it."""
        if container in self._holders:
            inside = [source for source in self._found if source.startswith(container + INSIDE)]
            self.forget(*(one for one in inside if one not in held and not any(h in held for h in holders_of(one))))

    def forget_gone(self, roots: Sequence[Path] = ()) -> None:
        """Strike files that were deleted, as far as this machine can tell.

        An empty folder may be a share that is not mounted: who was to read what lies on it is not forgotten, unless
        something else lies beside it or below a root of the run.
        """
        self.forget(*(s for s, row in self._found.items() if is_gone(s) and (_unbound(row) or lies_beside(s, roots))))

    def forget_lines(self) -> None:
        """Strike the lines of an earlier input."""
        self.forget(*(source for source in self._found if re.fullmatch(rf"{LINE}\d+", source)))


def failing_collections(database: Database) -> list[str]:
    """Return the names of the collections that something failed to get into."""
    query = select(Collection.name).join(IngestFailure, IngestFailure.collection_id == Collection.id)
    with database.read() as session:
        return list(session.scalars(query.distinct().order_by(Collection.name)))


def failed_rows(database: Database, collection: str) -> dict[str, IngestFailure]:
    """Return what failed to get into a collection, by source."""
    query = select(IngestFailure).join(Collection, Collection.id == IngestFailure.collection_id)
    with database.read() as session:
        rows = session.scalars(query.where(Collection.name == collection).order_by(IngestFailure.source))
        return {row.source: row for row in rows}


def _row(session: Session, place: int, source: str) -> IngestFailure | None:
    return session.scalar(
        select(IngestFailure).where(IngestFailure.collection_id == place, IngestFailure.source == source)
    )


def _keep(row: IngestFailure, terms: Terms) -> None:
    """Write down what is asked; what an earlier attempt asked and this one does not speak of stays."""
    if terms.allow is not None:
        row.allow = list(terms.allow)
    row.effective_from = terms.effective_from or row.effective_from
    row.expires_at = terms.expires_at or row.expires_at
    row.supersedes = terms.supersedes or row.supersedes


def _unbound(row: IngestFailure) -> bool:
    return (row.allow, row.effective_from, row.expires_at, row.supersedes) == (None, None, None, None)
