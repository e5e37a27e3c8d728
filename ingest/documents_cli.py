"""`attest documents|runs|quarantine`: what the knowledge base holds, how it got there, what waits for a review."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from sqlalchemy import select

from core.db.models import Document, IngestFailure, IngestRun
from core.db.session import Database
from core.errors import NotFound
from core.settings import Settings, load_settings
from core.types import OPERATOR, Json
from ingest import documents as stored
from ingest import quarantine as held

cli = typer.Typer(no_args_is_help=True, add_completion=False)
documents = typer.Typer(no_args_is_help=True, help="List, show, delete and purge documents.")
runs = typer.Typer(no_args_is_help=True, help="Show runs of ingestion and what failed.")
quarantine = typer.Typer(no_args_is_help=True, help="Review documents held back at ingestion.")
cli.add_typer(documents, name="documents")
cli.add_typer(runs, name="runs")
cli.add_typer(quarantine, name="quarantine")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="A document's id.")]


@documents.command("list")
def documents_list(
    collection: Annotated[str | None, typer.Option(help="Only this collection.")] = None, as_json: AsJson = False
) -> None:
    """List the documents."""
    with _store() as (_, database):
        rows = stored.list_documents(database, OPERATOR, collection=collection)
    lines = [f"{'ID':<32}  {'STATE':<11} {'VERSION':<7}  PASSAGES  SOURCE"] if rows else []
    lines += [
        f"{row['id']:<32}  {row['state']:<11} {'v' + str(row['version']):<7}  {row['chunks']:>8}  {row['source']}"
        for row in rows
    ]
    _emit({"documents": rows}, "\n".join([*lines, f"{len(rows)} documents"]), as_json)


@documents.command("show")
def documents_show(document_id: Id, as_json: AsJson = False) -> None:
    """Show a document, its versions and its quality report."""
    with _store() as (_, database):
        shown = stored.show_document(database, document_id, OPERATOR)
    _emit(shown, json.dumps(shown, indent=2, ensure_ascii=False), as_json)


@documents.command("delete")
def documents_delete(document_id: Id, as_json: AsJson = False) -> None:
    """Delete a document: no search shows it from now on."""
    with _store() as (_, database):
        result = stored.delete_document(database, document_id, OPERATOR)
    _emit(result, f"deleted {document_id}", as_json)


@documents.command("purge")
def documents_purge(document_id: Id, as_json: AsJson = False) -> None:
    """Remove a document from every store for good, and prove it."""
    from ingest.purge import purge_document

    with _store() as (settings, database):
        source = _source(database, document_id)
        result = purge_document(database, settings, document_id, OPERATOR)
    if os.path.isabs(source) and os.path.isfile(source):  # nothing of it is known any more, its path neither
        sys.stderr.write(f"{source} still lies there: the next ingest of its folder brings it back\n")
    left = ", ".join(f"{store}: {count}" for store, count in result["verified"].items())
    _emit(result, f"purged {document_id}; left in {left}", as_json)


@runs.command("list")
def runs_list(limit: Annotated[int, typer.Option(min=1)] = 20, as_json: AsJson = False) -> None:
    """List the latest runs."""
    query = select(IngestRun).order_by(IngestRun.started_at.desc()).limit(limit)
    with _store() as (_, database), database.read() as session:
        rows = [_run(row) for row in session.scalars(query)]
    lines = [f"{row['run_id']}  {row['state']:<11} {row['started_at']}  {row.get('seen', 0)} files" for row in rows]
    _emit({"runs": rows}, "\n".join(lines), as_json)


@runs.command("show")
def runs_show(run_id: Annotated[str, typer.Argument(metavar="RUN")], as_json: AsJson = False) -> None:
    """Show a run's report."""
    with _store() as (_, database), database.read() as session:
        row = session.get(IngestRun, run_id)
        if row is None:
            raise NotFound(f"no run {run_id}")
        shown = _run(row)
    _emit(shown, json.dumps(shown, indent=2, ensure_ascii=False), as_json)


@runs.command("failures")
def runs_failures(as_json: AsJson = False) -> None:
    """List every source that has not got in, with the reason."""
    with _store() as (_, database), database.read() as session:
        rows = [
            {"source": row.source, "error": row.error, "kind": row.kind, "message": row.message}
            | {"attempts": row.attempts, "at": row.at.isoformat(), "run_id": row.run_id}
            for row in session.scalars(select(IngestFailure).order_by(IngestFailure.source))
        ]
    lines = [f"{row['source']}\n  {row['error']} ({row['kind']}): {row['message']}" for row in rows]
    _emit({"failures": rows}, "\n".join([*lines, f"{len(rows)} failures"]), as_json)


@quarantine.command("list")
def quarantine_list(as_json: AsJson = False) -> None:
    """List the documents that wait for a review."""
    with _store() as (_, database):
        rows = held.list_quarantine(database, OPERATOR)
    lines = [f"{row['id']}  {row['source']}\n  {row['reason']}{_update_words(row)}" for row in rows]
    _emit({"documents": rows}, "\n".join([*lines, f"{len(rows)} in quarantine"]), as_json)


@quarantine.command("release")
def quarantine_release(document_id: Id, as_json: AsJson = False) -> None:
    """Publish a document as it is."""
    with _store() as (_, database):
        result = held.release_document(database, document_id, OPERATOR)
    _emit(result, f"released {document_id}", as_json)


@quarantine.command("reject")
def quarantine_reject(document_id: Id, as_json: AsJson = False) -> None:
    """Remove for good what is held: the document, or only its update where an earlier version had got in."""
    with _store() as (settings, database):
        source = _source(database, document_id)
        result = held.reject_document(database, settings, document_id, OPERATOR)
    if os.path.isabs(source) and os.path.isfile(source):
        sys.stderr.write(
            f"{source} still lies there: unless it is mended, the next ingest of its folder holds it again\n"
        )
    before = result["restored_version"]
    _emit(result, f"rejected {document_id}" + (f"; version {before} stands again" if before else ""), as_json)


def _update_words(row: Json) -> str:
    before = row["version_before"]
    return f"; an update: rejected, version {before} stands again" if before else ""


def _source(database: Database, document_id: str) -> str:
    """Return where a document came from, "" where there is no such document."""
    with database.read() as session:
        return session.scalar(select(Document.source).where(Document.id == document_id)) or ""


@contextmanager
def _store() -> Iterator[tuple[Settings, Database]]:
    settings = load_settings()
    database = Database.open(settings)
    try:
        yield settings, database
    finally:
        database.close()


def _run(row: IngestRun) -> Json:
    finished = row.finished_at.isoformat() if row.finished_at else None
    state = {"run_id": row.id, "state": row.state, "started_at": row.started_at.isoformat(), "finished_at": finished}
    return {**row.report, **state}


def _emit(value: Json, text: str, as_json: bool) -> None:
    sys.stdout.write((json.dumps(value) if as_json else text) + "\n")
