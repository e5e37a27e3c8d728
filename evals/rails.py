"""One guardrail on labelled rows, through the same rail that guards the running product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import InvalidInput
from evals.cases import limited, numbered_rows
from evals.home import throwaway_home
from guardrails.measure import Row, measure_rail

MARKS: Mapping[str, Sequence[str]] = {
    "toxicity": ("toxic",),
    "prompt_injection": ("attack",),
    "indirect_injection": ("injected",),
    "harmful_requests": ("harmful",),
    "groundedness": ("grounded",),
    "domain": ("in_domain_for", "in_domain"),
    "pii": ("spans",),
}
"""The field that says what is right, and what else it may be called."""
TEXTS: Mapping[str, Sequence[Sequence[str]]] = {
    "groundedness": (("answer",), ("context",)),
    "indirect_injection": (("context", "text"),),
    "pii": (("text",),),
}
"""The fields that are judged, where they are not `text` or, without one, `context`."""
_LISTS = ("in_domain_for", "spans")


def measure_rail_on(name: str, data: Path, limit: int | None) -> dict[str, Any]:
    """Measure a rail on a file of labelled rows, and return the figures.

    Raises:
        InvalidInput: the file cannot be read, holds no rows, or one that cannot be judged.
    """
    rows = limited(_rows(name, data), limit)
    with throwaway_home() as settings:
        return measure_rail(name, rows, settings)


def _rows(name: str, data: Path) -> list[Row]:
    rows: list[Row] = []
    for number, row in numbered_rows(data):
        if wrong := _wrong(name, row):
            raise InvalidInput(f"{data}:{number} {wrong}")
        rows.append(row)
    if not rows:
        raise InvalidInput(f"{data} holds no rows")
    return rows


def _wrong(name: str, row: Row) -> str | None:
    """Say why a row cannot be judged; a label of null is one that is not known."""
    needed = [MARKS[name], *TEXTS.get(name, (("text", "context"),))]
    fields = [next((field for field in known if field in row), None) for known in needed]
    for known, field in zip(needed, fields, strict=True):
        if field is None:
            return f"has no {known[0]!r}"
        if known is not MARKS[name] and not isinstance(row[field], str):
            return f"has a {field} that is no text"
    return _wrong_mark(str(fields[0]), row[str(fields[0])])


def _wrong_mark(field: str, mark: object) -> str | None:
    if field in _LISTS:
        if not isinstance(mark, list):
            return f"has {field} that is no list"
        if field == "spans" and not all(map(_is_span, mark)):
            return "has a span without start, end and type"
        return None
    # A text such as "false" would count as true.
    return None if mark is None or mark in (True, False) else f"has {field} {mark!r}; it must be true or false"


def _is_span(span: object) -> bool:
    return isinstance(span, dict) and all(
        isinstance(span.get(field), kind) for field, kind in (("start", int), ("end", int), ("type", str))
    )
