"""The report of a run as a person reads it: what got in, what did not and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.report import Failure, IngestReport

SHOWN = 20
"""Files named for each reason; all of them are in the JSON, in the store and on the pages."""
ADVICE = {
    "UnsupportedFormat": "in a format that cannot be read: save them as PDF, Office or text files, or leave them out",
    "Encrypted": "protected: give the password with --password, or take the protection off",
    "Unparseable": "damaged: open them in the program they were made with and save them anew",
    "EmptyDocument": "without text: blank, or pictures in which no writing could be read",
    "TooLarge": "beyond the limits: split them, or raise ingest.max_file_mb or ingest.parse_memory_mb",
    "ParseTimeout": "too slow to parse: split them, or raise ingest.parse_timeout_s",
    "Forbidden": "not to be read: inside a private network, or the site says no",
    "InvalidInput": "no address, or no record, that can be read",
    "Conflict": "at odds with other documents",
    "NotFound": "to supersede what is not there: name its id, or the end of its source",
    "SourceUnavailable": "out of reach for now: try again later",
    "Busy": "kept out by another writer: try again later",
    "StoreUnavailable": "not stored, for the disk or the database refused: see attest doctor",
}
_ONCE_NAMED = (
    "A file that was left out of a folder for its name, or as a link, is read where it is named itself; the data "
    "folder of Attest itself and what lies in an archive are not."
)


def summary(report: IngestReport) -> str:
    """Return the report as text."""
    lines = [_head(report)]
    lines += [f"  {item['action']}: {item['source']}" for item in report.planned]
    lines += _failures(report.failed)
    if report.quarantined:
        lines.append(f"{len(report.quarantined)} in quarantine, see attest quarantine list:")
        lines += _listed([f"{item['source']}: {item['reason']}" for item in report.quarantined])
    if report.warnings:
        lines.append("1 warning:" if len(report.warnings) == 1 else f"{len(report.warnings):,} warnings:")
        lines += _listed([f"{item['source']}: {item['message']}" for item in report.warnings])
    lines += _left_out(report.left_out)
    return "\n".join(lines) + "\n"


def _head(report: IngestReport) -> str:
    counts = (
        (report.added, "added"),
        (report.updated, "updated"),
        (report.unchanged, "unchanged"),
        (report.duplicates, "the same as others"),
        (report.near_duplicates, "nearly so"),
        (report.moved, "moved"),
        (report.deleted, "deleted"),
        (len(report.failed), "failed"),
    )
    found = ", ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing to do"
    if report.dry_run:
        return f"{report.seen:,} looked at: {found} (nothing was written)"
    made = f"; {report.chunks:,} passages" + (f" of {report.pages:,} pages" if report.pages else "")
    return f"{report.seen:,} looked at: {found}{made if report.chunks else ''} in {report.seconds:.1f} s"


def _failures(failed: list[Failure]) -> Iterator[str]:
    """Yield the failures by reason, the most frequent first."""
    kinds: dict[str, list[Failure]] = {}
    for failure in failed:
        kinds.setdefault(failure.error, []).append(failure)
    for error, those in sorted(kinds.items(), key=lambda item: -len(item[1])):
        yield f"{len(those)} {ADVICE.get(error, 'not read')} ({error})"
        yield from _listed([f"{failure.source}: {failure.message}" for failure in those])
    if failed:
        yield "What failed is kept on a list; once mended, try it again with: attest ingest --retry"


def _left_out(items: list[dict[str, str]]) -> Iterator[str]:
    """Yield what was passed over by reason, the most frequent first."""
    reasons: dict[str, list[str]] = {}
    for item in items:
        reasons.setdefault(item["reason"], []).append(item["source"])
    for reason, those in sorted(reasons.items(), key=lambda entry: -len(entry[1])):
        yield f"{len(those):,} left out ({reason}):"
        yield from _listed(those)
    if items:
        yield _ONCE_NAMED


def _listed(items: list[str]) -> list[str]:
    more = [f"  … and {len(items) - SHOWN:,} more (all of them: --json)"] if len(items) > SHOWN else []
    return [f"  {item}" for item in items[:SHOWN]] + more
