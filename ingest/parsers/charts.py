"""Charts of office documents as the tables they are drawn from: a row a category, a column a series."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from ingest.parsed import Block
from ingest.parsers.package import attribute, local
from ingest.parsers.sheet_numbers import DAYS_TO_1904, kind_of, shown
from ingest.parsers.tables import markdown_table

Points = dict[int, str]
"""What stands at each place of a series."""


class _Series(NamedTuple):
    name: str
    categories: Points
    values: Points


def chart_blocks(root: Any, page: int | None) -> list[Block]:
    """Return a chart's titles and labels, and its values as a table; series over other categories have their own."""
    later = DAYS_TO_1904 if any(local(e) == "date1904" and attribute(e, "val") != "0" for e in root.iter()) else 0
    together: list[list[_Series]] = []
    for series in _series(root, later):
        if together and together[-1][0].categories == series.categories:
            together[-1].append(series)
        else:
            together.append([series])
    wanted = ("t",) if together else ("t", "v")
    words = dict.fromkeys(text for e in root.iter() if local(e) in wanted and (text := (e.text or "").strip()))
    blocks = [Block("text", "\n".join(words), page=page)] if words else []
    return blocks + [Block("table", text, page=page) for group in together if (text := markdown_table(_table(group)))]


def _series(root: Any, later_days: int) -> Iterator[_Series]:
    for element in root.iter():
        if local(element) == "ser":
            parts = {local(child): child for child in element}
            name = " ".join(_points(parts.get("tx"), later_days).values())
            categories = _points(parts.get("cat", parts.get("xVal")), later_days)
            yield _Series(name, categories, _points(parts.get("val", parts.get("yVal")), later_days))


def _points(node: Any, later_days: int) -> Points:
    """Return the values kept in the chart; of categories in several levels, the innermost."""
    found: Points = {}
    kind = kind_of(-1, "")
    for element in node.iter() if node is not None else ():
        if local(element) == "formatCode":
            kind = kind_of(-1, element.text or "")
        elif local(element) == "v" and element.text and element.text.strip():
            text, at = element.text.strip(), attribute(element.getparent(), "idx") or ""
            if local(element.getparent().getparent()) == "numCache":
                with suppress(ValueError):
                    text = shown(float(text), kind, later_days)
            found.setdefault(int(at) if at.isdecimal() else len(found), text)
    return found


def _table(group: list[_Series]) -> list[list[str]]:
    places = sorted(set().union(*(series.categories.keys() | series.values.keys() for series in group)))
    rows = [[group[0].categories.get(at, ""), *(series.values.get(at, "") for series in group)] for at in places]
    return [["", *(series.name for series in group)], *rows] if rows else []
