"""Parse one file in the sandbox, its attachments too: what `attest eval parse` and tests call."""

from __future__ import annotations

from pathlib import Path

from core.errors import AttestError, EmptyDocument
from core.settings import IngestSettings, Settings
from ingest.parsed import ParsedDocument
from ingest.parser_process import ParseJob
from ingest.sandbox import ParserPool

MAX_DEPTH = 5  # archives in archives; deeper is a bomb


def parse_file(
    path: Path, settings: Settings | IngestSettings, password: str | None = None, *, pool: ParserPool | None = None
) -> ParsedDocument:
    """Return a file's cleaned text and structure, with its attachments parsed as `children`.

    Attachments that do not parse are warnings. `pool` reuses warm workers.

    Raises:
        IngestError: the typed reason why the file did not parse (or TooLarge).
        EmptyDocument: neither the file nor anything in it holds text.
    """
    limits = settings.ingest if isinstance(settings, Settings) else settings
    if pool is not None:
        return _parse(pool, ParseJob(path, path.name, password), 0)
    with ParserPool(limits, workers=1) as own:
        return _parse(own, ParseJob(path, path.name, password), 0)


def _parse(pool: ParserPool, job: ParseJob, depth: int) -> ParsedDocument:
    document = pool.submit(job).result().document
    failures: list[AttestError] = []
    for attachment in document.attachments:
        if depth + 1 >= MAX_DEPTH:
            document.warnings.append(f"{attachment.name}: nested too deeply, not read")
            continue
        try:
            child = _parse(pool, ParseJob(Path(attachment.path), attachment.name, job.password), depth + 1)
            document.children.append(child)
        except AttestError as error:
            failures.append(error)
            document.warnings.append(f"{attachment.name}: {error.kind}: {error}")
    if not document.text.strip() and not document.children:
        raise failures[0] if failures else EmptyDocument("no text could be read from the file")
    return document
