"""JSON Lines → the documents that they hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from core.db.grants import require_principal
from core.errors import InvalidInput
from ingest.failures import LINE
from ingest.report import Failure, TextRecord

KNOWN = frozenset({"source", "id", "_id", "text", "title", "allow"})


def read_records(lines: Iterable[bytes]) -> Iterator[TextRecord | Failure]:
    """Yield the documents of JSON Lines: `source` (or `id`, `_id`), `text`, and optionally `title`, `allow`, more.

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
    return TextRecord(str(source), text, str(title or ""), attributes, _readers(row.get("allow")))


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
