"""`attest ingest PATH…`: bring files, folders, addresses and records into the knowledge base."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.db.grants import require_principal
from core.db.session import Database
from core.settings import Settings, load_settings
from core.types import Verdict
from ingest.report import IngestOptions, IngestReport
from ingest.summary import summary
from ingest.validity import read_moment

if TYPE_CHECKING:
    from models.encoder import Encoder

INTERRUPTED = 130
STDIN = "-"
PATHS = (
    "Files, folders, URLs, or - for JSON Lines. Of folders, hidden files, locks, editors' backups and half-loaded "
    "downloads (.tmp, .part, …) are left out and listed; name such a file to have it read."
)
ALLOW = (
    "Who may read them: user:ana, group:hr, public; may be given again. Each document gets this list of its own, in "
    "place of its collection's."
)

cli = typer.Typer(add_completion=False)


@cli.command()
def ingest_command(
    paths: Annotated[list[str] | None, typer.Argument(help=PATHS)] = None,
    collection: Annotated[
        str | None, typer.Option(help="The collection they belong to, `default` without it; of --retry, all.")
    ] = None,
    allow: Annotated[list[str] | None, typer.Option(help=ALLOW)] = None,
    sync: Annotated[bool, typer.Option("--sync", help="Delete documents whose file or object is gone.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed; all of it, without paths.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on, and follow changes as they happen; deletions too, with --sync.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Parser processes at once.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="A Dask scheduler, or `local` for a cluster here.")] = None,
    password: Annotated[str | None, typer.Option(envvar="ATTEST_FILE_PASSWORD", help="For protected files.")] = None,
    effective_from: Annotated[str | None, typer.Option(help="In force from this date.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="In force until this date.")] = None,
    supersedes: Annotated[str | None, typer.Option(help="The document that these replace.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Ingest files and folders; unchanged files are skipped, changed ones replaced."""
    settings = load_settings()
    options = IngestOptions(
        collection=collection or "default",
        allow=tuple(map(require_principal, allow)) if allow else None,
        sync=sync,
        dry_run=dry_run,
        retry=retry,
        workers=workers,
        scheduler=scheduler,
        password=password,
        effective_from=read_moment(effective_from) if effective_from else None,
        expires_at=read_moment(expires_at) if expires_at else None,
        supersedes=supersedes,
    )
    database = Database.open(settings)
    try:
        if watch:
            _watch(paths or [], options, database, settings)
            return
        report = _run(paths or [], collection, options, database, settings, _Lazy(settings))
    finally:
        database.close()
    _tell(report, as_json)
    if report.state == "interrupted":
        sys.stderr.write("interrupted: what was ingested is kept; run the same command to go on\n")
        raise typer.Exit(INTERRUPTED)


def _run(
    paths: list[str],
    collection: str | None,
    options: IngestOptions,
    database: Database,
    settings: Settings,
    models: _Lazy,
) -> IngestReport:
    from ingest.progress import make_progress
    from ingest.records import read_records
    from ingest.retry import retry
    from ingest.run import ingest, ingest_texts
    from ingest.validity import require_superseded

    scan = models.scan if models.scans else None
    parts: Any = {"database": database, "settings": settings, "encoder": models.encoder, "scan": scan}

    def run(sources: Any, options: IngestOptions, left: Any = ()) -> IngestReport:
        return ingest(sources, options, **parts, progress=make_progress(), left=left)

    if not paths and options.retry:
        return retry(collection, options, database, settings, run)
    if not paths:
        raise typer.BadParameter("name files or folders to ingest, or use --retry")
    if options.supersedes:
        require_superseded(database, options.collection, options.supersedes)
    if STDIN not in paths:
        return run(paths, options)
    if len(paths) > 1:
        raise typer.BadParameter("- stands alone")
    if options.sync:
        raise typer.BadParameter("--sync follows folders and object stores; what is missing from the input stays")
    return ingest_texts(read_records(sys.stdin.buffer), options, **parts, progress=make_progress())


def _watch(paths: list[str], options: IngestOptions, database: Database, settings: Settings) -> None:
    from ingest.walk import within_reach
    from ingest.watch import Writing, watch

    if not paths:
        raise typer.BadParameter("name the folders to watch")
    models, told, writing = _Lazy(settings), set[tuple[str, str]](), Writing()
    options = replace(options, busy=writing)
    folders = [Path(path) for path in paths]

    def run() -> IngestReport:
        there, _ = within_reach(folders)
        return _run([str(path) for path in there or folders], None, options, database, settings, models)

    reports = watch(folders, run, writing, home=settings.home)
    kept = "" if options.sync else "; what is deleted there stays here, unless --sync is given"
    sys.stderr.write(f"watching{kept}; Ctrl-C stops\n")
    try:
        for report in reports:
            report.failed = [failure for failure in report.failed if (failure.source, failure.message) not in told]
            report.left_out = [item for item in report.left_out if (item["source"], item["reason"]) not in told]
            told |= {(failure.source, failure.message) for failure in report.failed}
            told |= {(item["source"], item["reason"]) for item in report.left_out}
            _tell(report, as_json=False)
            if report.state == "interrupted":
                break
            models.warm()
    except KeyboardInterrupt:
        sys.stderr.write("stopped watching\n")


class _Lazy:
    """Loads models only when a document needs them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._scan: Callable[[str, str | None], tuple[Verdict, ...]] | None = None
        self._loading = threading.Lock()
        self._warmed = False
        self.scans = settings.ingest.quarantine and settings.rails.enabled

    def warm(self) -> None:
        """Load what the next document needs, beside whatever goes on, so that it is in within seconds."""
        if not self._warmed:
            self._warmed = True
            threading.Thread(target=self._warm, name="warm", daemon=True).start()

    def _warm(self) -> None:
        self.encoder().encode(["a first text"], "document")
        if self.scans:
            self.scan("a first text")

    def encoder(self) -> Encoder:
        from models.encoder import load_encoder

        return load_encoder(self._settings.embedder)

    def scan(self, text: str, collection: str | None = None) -> tuple[Verdict, ...]:
        with self._loading:
            if self._scan is None:
                from guardrails.rails import Rails
                from models.adapters import load_classifier

                self._scan = Rails.open(self._settings, load_classifier(self._settings.embedder)).scan_document
        return self._scan(text, collection)


def _tell(report: IngestReport, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(report.to_json()) + "\n")
        return
    sys.stdout.write(summary(report))
