"""`attest ingest PATH…`: bring files, folders and records into the knowledge base."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.db.session import Database
from core.logging import configure_logging
from core.settings import Settings, load_settings
from ingest.report import IngestOptions, IngestReport

if TYPE_CHECKING:
    from models.encoder import Encoder

INTERRUPTED = 130

cli = typer.Typer(add_completion=False)


@cli.command()
def ingest_command(
    paths: Annotated[list[str], typer.Argument(help="Files and folders, or - for JSON Lines on standard input.")],
    collection: Annotated[str, typer.Option(help="The collection the documents belong to.")] = "default",
    allow: Annotated[
        list[str] | None, typer.Option(help="A principal that may read them: user:ana, group:hr, public.")
    ] = None,
    sync: Annotated[bool, typer.Option("--sync", help="Delete documents whose file is gone.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed before.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Parser processes at once.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
    config: Annotated[Path | None, typer.Option(help="A settings file.")] = None,
) -> None:
    """Ingest files and folders; unchanged files are skipped, changed ones replaced."""
    from ingest.progress import make_progress
    from ingest.run import ingest

    configure_logging()
    settings = load_settings(config=config)
    options = IngestOptions(
        collection=collection,
        allow=tuple(allow) if allow else None,
        sync=sync,
        dry_run=dry_run,
        retry=retry,
        workers=workers,
    )
    database = Database.open(settings)
    try:
        report = ingest(
            paths,
            options,
            database=database,
            settings=settings,
            encoder=lambda: _encoder(settings),
            progress=make_progress(),
        )
    finally:
        database.close()
    _tell(report, as_json)
    if report.state == "interrupted":
        print("interrupted: what was ingested is kept; run the same command to go on", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)


def _encoder(settings: Settings) -> Encoder:
    from models.encoder import load_encoder

    return load_encoder(settings.embedder)


def _tell(report: IngestReport, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.to_json()))
        return
    print(
        f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, "
        f"{report.duplicates} duplicates, {report.deleted} deleted, {len(report.failed)} failed, "
        f"{len(report.quarantined)} in quarantine; "
        f"{report.chunks} passages, {report.pages} pages in {report.seconds:.1f} s"
    )
    for failure in report.failed:
        print(f"  failed: {failure.source}\n    {failure.error} ({failure.kind}): {failure.message}")
    for item in report.quarantined:
        print(f"  quarantined: {item['source']}\n    {item['reason']}")
    for item in report.warnings:
        print(f"  warning: {item['source']}\n    {item['message']}")
