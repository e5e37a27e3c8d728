"""What became of an upload, and of a run: what came in, what did not, what waits, what was left out, each with why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ui import escape
from ui.quarantine_view import held_words
from ui.session import Upload
from ui.wire import Problem, RunRow

SHOWN = 20
"""Files of one list that are named; an archive may hold thousands."""


def outcome(upload: Upload) -> tuple[str, str]:
    """Return the style and the words for what became of an upload."""
    run = upload.run
    if upload.problem is not None:
        return "failed", upload.problem
    if run is None or not run.finished:
        return "running", "is being read …"
    if run.failed and not run.came_in:
        return "failed", "did not come in: " + _reasons(run.failed)
    if run.state != "done":
        return "failed", f"stopped: the run is {run.state}"
    if run.failed:
        return "failed", f"came in, except for {len(run.failed)} of what is in it ({_passages(run)})"
    if run.quarantined and len(run.quarantined) < run.came_in:
        return "held", f"came in; waiting for review of what is in it: {len(run.quarantined)} ({_passages(run)})"
    if run.quarantined:
        return "held", "is held for review: " + "; ".join(held_words(problem.message) for problem in run.quarantined)
    return "done", _arrived(run)


def upload_html(upload: Upload) -> str:
    """Return an upload as an entry of a list; what is in an archive and did not come in is named below it."""
    kind, words = outcome(upload)
    run = upload.run
    of_several = run is not None and run.finished and (run.came_in > 1 or run.left_out)
    listed = _listed(run) if run is not None and of_several else ""
    return f'<li class="{kind}"><strong>{escape.text(upload.name)}</strong> {escape.text(words)}{listed}</li>'


def run_html(run: RunRow) -> str:
    """Return a run as an entry of a list."""
    counts = (
        (run.added, "added"),
        (run.updated, "updated"),
        (run.unchanged, "unchanged"),
        (run.duplicates, "duplicate"),
    )
    words = ", ".join(f"{count} {name}" for count, name in counts if count) or "nothing new"
    kind = "failed" if run.failed else "held" if run.quarantined else run.state
    when = escape.text(run.started_at[:16].replace("T", " "))
    return (
        f'<li class="{escape.text(kind)}"><strong>{when}</strong> {escape.text(run.state)}: {words}, '
        f"{run.seconds:.1f} s{_listed(run)}</li>"
    )


def _arrived(run: RunRow) -> str:
    if run.unchanged and not run.added and not run.updated:
        return "was already there, unchanged"
    if run.duplicates and run.duplicates == run.came_in:
        return f"has the same text as a document already there ({_passages(run)})"
    return (
        f"replaced its earlier version ({_passages(run)})"
        if run.updated
        else f"is ready to be asked about ({_passages(run)})"
    )


def _passages(run: RunRow) -> str:
    return f"{run.chunks} passage{'s' * (run.chunks != 1)}, {run.seconds:.1f} s"


def _reasons(problems: Sequence[Problem]) -> str:
    return "; ".join(dict.fromkeys(problem.message for problem in problems[:SHOWN]))


def _listed(run: RunRow) -> str:
    lines = [
        *_lines("did not come in", run.failed),
        *_lines("held for review", [replace(one, message=held_words(one.message)) for one in run.quarantined]),
        *_lines("left out", run.left_out),
    ]
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _lines(word: str, problems: Sequence[Problem]) -> list[str]:
    lines = [
        f"<li>{escape.text(problem.source)}: {word}, {escape.text(problem.message)}</li>"
        for problem in problems[:SHOWN]
    ]
    more = len(problems) - SHOWN
    return [*lines, f"<li>… and {more:,} more, {word}</li>"] if more > 0 else lines
