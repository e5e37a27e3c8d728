"""Server-sent events, as far as the API sends them: `event:` and `data:` lines, one JSON object an event."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its name, its JSON and the id under which the stream goes on after it."""

    name: str
    data: dict[str, Any]
    id: str = ""


def parse_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """Yield the events of a stream of lines (without line ends); comments and unknown fields are skipped.

    Raises:
        ValueError: an event's data is not a JSON object.
    """
    name, data, event_id = "message", list[str](), ""
    for line in lines:
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("id:"):
            event_id = line.removeprefix("id:").strip()
        elif line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line:
            if data:
                yield ServerEvent(name, _object("\n".join(data)), event_id)
            name, data = "message", []
    if data:
        yield ServerEvent(name, _object("\n".join(data)), event_id)


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("an event's data is not a JSON object")
    return value
