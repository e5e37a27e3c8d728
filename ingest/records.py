"""JSON Lines → the documents that they hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from core.db.grants import require_principal
from core.errors import InvalidInput
from ingest.failures import LINE
from ingest.report import Failure, TextRecord
from ingest.validity import read_moment

KNOWN = frozenset({"source", "id", "_id", "text", "title", "allow"})


def read_records(lines: Iterable[bytes]) -> Iterator[TextRecord | Failure]:
    """Yield the documents of JSON Lines: `source` (or `id`, `_id`), `text`, and optionally `title`, `allow`, more.

    Of what more there is, `effective_from`, `expires_at` and `supersedes` count as in the front matter of a file.

    A line that is no such object is a failure of its own, and costs no other.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip(b"\xef\xbb\xbf \t\r\n"):
            try:
                yield _record(line)
            except InvalidInput as error:
                yield Failure.of(f"{LINE}{number}", error)


def _record(line: bytes) -> TextRecord:
    row = _row(line)
    source = next((row[name] for name in ("source", "id", "_id") if row.get(name) not in (None, "")), None)
    if isinstance(source, bool) or not isinstance(source, str | int | float):
        raise InvalidInput("it has no `source` (or `id`): a string or a number that names the document")
    text, title = row.get("text"), row.get("title")
    if not isinstance(text, str):
        raise InvalidInput("it has no `text`, or it is no string")
    if isinstance(title, bool) or not isinstance(title, str | int | float | None):
        raise InvalidInput("its `title` is no string")
    attributes = {key: value for key, value in row.items() if key not in KNOWN}
    return TextRecord(
        str(source),
        text,
        str(title or ""),
        attributes,
        _readers(row.get("allow")),
        _moment(row, "effective_from"),
        _moment(row, "expires_at"),
        _superseded(row.get("supersedes")),
    )


def _row(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
        json.dumps(row, ensure_ascii=False).encode()  # half a character could not be stored
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"it is no JSON of whole characters: {error}") from error
    if not isinstance(row, dict):
        raise InvalidInput("it is no JSON object with `source` and `text`")
    return row


def _readers(allow: Any) -> tuple[str, ...] | None:
    """Return the names of a list; a misspelt one would shut everybody out in silence, or nobody."""
    names = [allow] if isinstance(allow, str) else allow
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidInput("its `allow` is no list of principals")
    return tuple(map(require_principal, names))


def _moment(row: dict[str, Any], name: str) -> datetime | None:
    """Return a date; one that cannot be read would leave in force what has ended, or what has not begun."""
    value = row.get(name)
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        raise InvalidInput(f"its `{name}` is no string; write it as 2026-01-31")
    try:
        return read_moment(value)
    except InvalidInput as error:
        raise InvalidInput(f"its `{name}`: {error}") from error


def _superseded(name: Any) -> str | None:
    if isinstance(name, bool) or not isinstance(name, str | int | None):
        raise InvalidInput("its `supersedes` is no string: it names one document by its id or source")
    return None if name is None else str(name) or None
