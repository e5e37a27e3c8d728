"""Sheets as tables: merged cells in every place they span, and titles above the header instead of in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from ingest.parsed import Block
from ingest.parsers.tables import markdown_table

MAX_SPREAD_CELLS = 200_000
"""Copies of merged cells in a sheet: more than a sheet to read has, fewer than one made to fill the memory asks for."""
MAX_SPREAD_CHARACTERS = 200
"""A longer text is no name of the rows or columns that it spans."""
MAX_TITLE_CHARACTERS = 100
_FIGURE = re.compile(r"[-+]?[\d.,\s%€$£]+")
_YEAR = re.compile(r"(?:19|20)\d\d")


class Merge(NamedTuple):
    """Cells merged into one, from the first row and column to the last ones, counted from 0."""

    top: int
    left: int
    bottom: int
    right: int


def merge_of(reference: str) -> Merge | None:
    """Return what `A2:C4` merges."""
    found = re.fullmatch(r"\$?([A-Za-z]{1,3})\$?(\d{1,7}):\$?([A-Za-z]{1,3})\$?(\d{1,7})", reference.strip())
    if found is None:
        return None
    return Merge(int(found[2]) - 1, _column(found[1]), int(found[4]) - 1, _column(found[3]))


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1


def spread_merged(rows: Mapping[int, list[str]], merges: Iterable[Merge]) -> None:
    """Copy what merged cells hold into every empty cell that they span, so that each row reads alone.

    A value that is alone in its row, such as a title over the whole table, stays once.
    """
    width, left = max((len(row) for row in rows.values()), default=0), MAX_SPREAD_CELLS
    for merge in merges:
        above = rows.get(merge.top, [])
        text = above[merge.left] if merge.left < len(above) else ""
        if not text or len(text) > MAX_SPREAD_CHARACTERS:
            continue
        columns = range(merge.left, min(merge.right + 1, width))
        numbers = range(merge.top, merge.bottom + 1)
        for number in numbers if len(numbers) <= len(rows) else sorted(rows):
            row = rows.get(number, [])
            left -= 1
            if left < 0:
                return
            if merge.top <= number <= merge.bottom and any(_others(row, columns)):
                left -= len(columns)
                row += [""] * (columns.stop - len(row))
                for column in columns:
                    row[column] = row[column] or text


def _others(row: list[str], columns: range) -> Iterator[str]:
    """Yield what a row holds outside some columns."""
    yield from row[: columns.start]
    yield from row[columns.stop :]


def lined(rows: Mapping[int, list[str]]) -> list[list[str]]:
    """Return numbered rows as a list, with an empty one where some are missing."""
    found: list[list[str]] = []
    last: int | None = None
    for number in sorted(rows):
        if last is not None and number > last + 1:
            found.append([])
        found.append(rows[number])
        last = number
    return found


def sheet_blocks(rows: Iterable[list[str]], page: int | None) -> Iterator[Block]:
    """Yield the blocks of a sheet: of each run of rows its title, what else stands above its header, and its table."""
    for table in _runs(rows):
        above = next((number for number, row in enumerate(table) if sum(map(bool, row)) > 1), None)
        lead = [next(filter(None, row)) for row in table[:above]]
        if above and _names(lead[0]):
            yield Block("heading", lead.pop(0), level=2, page=page)
        if lead:
            yield Block("text", "\n".join(lead), page=page)
        if above is not None:
            yield Block("table", markdown_table(_one_header(table[above:])), page=page)


def _names(line: str) -> bool:
    """Tell a title from a sentence or a lone figure."""
    return len(line) <= MAX_TITLE_CHARACTERS and line[-1] not in ".:;" and any(map(str.isalpha, line))


def _runs(rows: Iterable[list[str]]) -> Iterator[list[list[str]]]:
    """Yield the runs of rows between empty rows."""
    run: list[list[str]] = []
    for row in rows:
        if any(row):
            run.append(row)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _one_header(table: list[list[str]]) -> list[list[str]]:
    """Join a header with the row below that parts its columns: `Berlin` over `Staff` and `Cost` names two columns."""
    if len(table) < 3:
        return table
    width = max(map(len, table[:2]))
    upper, lower = ([*row, *[""] * (width - len(row))] for row in table[:2])
    spans = [False] * width
    for one, other in pairwise(range(width)):
        if upper[one] and upper[one] == upper[other] and lower[one] != lower[other]:
            spans[one] = spans[other] = True
    if not any(spans) or any(_FIGURE.fullmatch(cell) and not _YEAR.fullmatch(cell) for cell in lower):
        return table
    if any(
        over and under and over != under and not span for over, under, span in zip(upper, lower, spans, strict=True)
    ):
        return table
    joined = [over if over == under else f"{over} {under}".strip() for over, under in zip(upper, lower, strict=True)]
    return [joined, *table[2:]]
