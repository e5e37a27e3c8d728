"""Trying again what failed before, in one collection after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from core.db.models import Collection as CollectionRow
from core.db.models import Document, IngestFailure
from core.db.session import Database
from core.settings import Settings
from ingest.failures import NO_TEXT, FailureList, failed_rows, failing_collections
from ingest.places import file_of, holders_of
from ingest.remote import is_remote
from ingest.report import Failure, IngestOptions, IngestReport
from ingest.walk import Source, source_of

Run = Callable[[Sequence[Path | str | Source], IngestOptions, Sequence[Failure]], IngestReport]
"""Ingests sources with options, and lists as failed what is left."""


def retry(
    collection: str | None, options: IngestOptions, database: Database, settings: Settings, run: Run
) -> IngestReport:
    """Try again what failed in a collection, in all of them where none is named; what cannot be is listed again."""
    named = [collection] if collection is not None else failing_collections(database) or [options.collection]
    reports: list[IngestReport] = []
    for name in named:
        if not options.dry_run:
            FailureList(database, name, failed_rows(database, name)).forget_gone()
        places = failed_places(database, name, settings.ingest.allow_urls)
        sources = list(dict.fromkeys(place for _, place in places if place is not None))
        left = [failure for failure, place in places if place is None]
        reports.append(run(list(map(_source, sources)), replace(options, collection=name), left))
        if reports[-1].state == "interrupted":
            break
    return joined(reports)


def failed_places(database: Database, collection: str, urls: bool = False) -> list[tuple[Failure, str | None]]:
    """Return each failure of a collection with the file, folder or, where they may be read, address to read for it."""
    rows = failed_rows(database, collection)
    holders = _addresses_that_hold(database, collection, rows) if urls else set()
    return [
        (Failure(row.source, row.error, row.kind, row.message), _place(row, holders if urls else None))
        for row in rows.values()
    ]


def joined(reports: Sequence[IngestReport]) -> IngestReport:
    """Return one report of several runs: their counts and lists together, under the id and the state of the last."""
    whole = replace(reports[-1])
    for name in IngestReport.__slots__:
        values = [getattr(report, name) for report in reports]
        if isinstance(values[0], list):
            setattr(whole, name, [item for value in values for item in value])
        elif isinstance(values[0], dict):
            keys = dict.fromkeys(key for value in values for key in value)
            setattr(whole, name, {key: sum(value.get(key, 0) for value in values) for key in keys})
        elif not isinstance(values[0], str | bool):
            setattr(whole, name, sum(values))
    return whole


def _addresses_that_hold(database: Database, collection: str, sources: Collection[str]) -> set[str]:
    """Return the addresses that others of the sources lie in: only what is known to be an archive is one."""
    above = {holder for source in sources if is_remote(source) for holder in holders_of(source)}
    query = select(Document.source).join(CollectionRow, CollectionRow.id == Document.collection_id)
    with database.read() as session:
        known = set(session.scalars(query.where(CollectionRow.name == collection, Document.source.in_(above))))
    return known | above.intersection(sources)


def _place(row: IngestFailure, holders: Collection[str] | None) -> str | None:
    """Return what to read for a failure; `holders`, the addresses known to be archives, where addresses may be read."""
    if row.message == NO_TEXT:
        return None
    if not is_remote(row.source):
        return file_of(row.source)
    return None if holders is None else _address(row.source, holders)


def _address(source: str, holders: Collection[str]) -> str:
    return next((holder for holder in holders_of(source) if holder in holders), source)


def _source(place: str) -> Path | str | Source:
    """Return a place as one that was come upon, not named: what was deleted by hand stays so."""
    if is_remote(place) or os.path.isdir(place):
        return place
    source = source_of(Path(place))
    return Source(source, Path(place), source.rpartition("/")[2], found=True)
