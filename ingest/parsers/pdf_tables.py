"""Printed rows of figures → Markdown tables: columns from where the words stand, heads joined over them.

Where the words' places do not part into columns, the rows stay as they were printed.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ingest.parsed import Line, Rectangle
from ingest.parsers.pdf_heads import Columns, head_lines, heads_of, plain_head
from ingest.parsers.printed import DIGIT, Cell, PrintedLine, Region, cells_of, names_years
from ingest.parsers.tables import RULE

TOUCHING = 2.0  # points between a figure and the bracket that hangs over its column's edge
MAX_COLUMNS = 40
MAX_CLASHES = 0.05  # of the rows may have two cells in one column


@dataclass(slots=True)
class Table:
    """A table found: the slice of lines that it takes the place of, and its own lines."""

    start: int
    end: int
    lines: list[Line]
    columns: Columns = field(default_factory=list)
    """(left, right) of each column right of the labels; none where the rows stay as printed."""
    heads: list[str] = field(default_factory=list)


def read_table(lines: Sequence[PrintedLine], region: Region, after: int, before: Table | None = None) -> Table:
    """Return the table of a region; `after` is the first line that may be its heading.

    A table without heads of its own whose columns stand below those of the one `before` goes on with that one's heads.
    Where no columns are found, the lines stay as printed, with up to four short lines above as their header.
    """
    start = _below_years(lines, region)
    body = lines[start : region.end]
    cells = [cells_of(line) for line in body] if all(line.words for line in body) else []
    columns = _columns(cells)
    grid = _grid(body, cells, columns) if columns else None
    if grid is None:
        first = plain_head(lines, region.start, after)
        return Table(first, region.end, [Line(line.text, line.box) for line in lines[first : region.end]])
    first, labels = head_lines(lines, start, after, columns)
    heads = heads_of(lines[first:labels], columns)
    if not any(heads) and before is not None and _same_columns(columns, before.columns):
        heads = before.heads
    labelled = lines[labels:start]
    above = _grid(labelled, [cells_of(line) for line in labelled], columns) or [
        _Row([line.text], [line]) for line in labelled
    ]
    rows = [Line(row.markdown(), row.box()) for row in _joined([*above, *grid])]
    names = Line(_markdown(heads), _around(lines[first:labels]))
    rule = Line("|" + f" {RULE} |" * len(heads), None)
    return Table(first, region.end, [names, rule, *rows], columns, heads)


def _below_years(lines: Sequence[PrintedLine], region: Region) -> int:
    """Return the first line of a region that is no row of years or dates, which are heads."""
    number = region.start
    while number < min(region.start + 3, region.end - 1) and names_years(lines[number].text):
        number += 1
    return number


def _same_columns(one: Columns, other: Columns) -> bool:
    return len(one) == len(other) and all(min(a[1], b[1]) > max(a[0], b[0]) for a, b in zip(one, other, strict=True))


@dataclass(slots=True)
class _Row:
    """A row of a table: its label, then a text for each column; a label alone stands for a row without figures."""

    cells: list[str]
    lines: list[PrintedLine]

    def markdown(self) -> str:
        return _markdown(self.cells)

    def box(self) -> Rectangle | None:
        return _around(self.lines)


def _markdown(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _around(lines: Sequence[PrintedLine]) -> Rectangle | None:
    boxes = [line.box for line in lines if line.height > 0]
    if not boxes:
        return None
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _columns(rows: list[list[Cell]]) -> Columns:
    """Return (left, right) of each column right of the labels, or nothing where the figures do not stand in columns."""
    figures = [
        cell for cells in rows for number, cell in enumerate(cells) if cell.figure and (number or len(cells) > 1)
    ]
    figures = [cell for cell in figures if DIGIT.search(cell.text) or len(cell.text) < 3]
    for merged in (_by_overlap(figures), _by_right_edge(figures, rows)):
        columns = [column for column, count in merged if count >= 2 or count >= 0.2 * len(rows)]
        if not 2 <= len(columns) <= MAX_COLUMNS:
            continue
        if _clashes(rows, columns) <= MAX_CLASHES * len(rows):
            return columns
    return []


def _by_overlap(cells: list[Cell]) -> list[tuple[tuple[float, float], int]]:
    """Cluster cells whose widths overlap."""
    found: list[tuple[tuple[float, float], int]] = []
    for cell in sorted(cells, key=lambda cell: cell.left):
        if found and cell.left < found[-1][0][1] + TOUCHING:
            (left, right), count = found[-1]
            found[-1] = ((left, max(right, cell.right)), count + 1)
        else:
            found.append(((cell.left, cell.right), 1))
    return found


def _by_right_edge(cells: list[Cell], rows: list[list[Cell]]) -> list[tuple[tuple[float, float], int]]:
    """Cluster cells that end at the same place: wide figures may reach into the column before."""
    width = statistics.median([(cell.right - cell.left) / max(len(cell.text), 1) for cell in cells]) if cells else 0.0
    found: list[tuple[tuple[float, float], int]] = []
    for cell in sorted(cells, key=lambda cell: cell.right):
        if found and cell.right - found[-1][0][1] < 1.6 * width:
            (left, _), count = found[-1]
            found[-1] = ((max(left, cell.left), cell.right), count + 1)
        else:
            found.append(((cell.left, cell.right), 1))
    return found


def _clashes(rows: list[list[Cell]], columns: Columns) -> int:
    """Count the rows in which two figures fall into one column, or one into none."""
    count = 0
    for cells in rows:
        places = [
            _column(cell, columns) for number, cell in enumerate(cells) if cell.figure and (number or len(cells) > 1)
        ]
        count += len(set(places)) < len(places)
    return count


def _column(cell: Cell, columns: Columns) -> int | None:
    """Return the column that a cell overlaps most; None where it stands in none."""
    best, place = 0.0, None
    for number, (left, right) in enumerate(columns):
        shared = min(right, cell.right) - max(left, cell.left)
        if shared > best:
            best, place = shared, number
    return place


def _grid(body: Sequence[PrintedLine], parted: list[list[Cell]], columns: Columns) -> list[_Row] | None:
    """Return the rows of a table, or None where too many texts fall between its columns."""
    rows: list[_Row] = []
    strays = 0
    for line, found in zip(body, parted, strict=True):
        cells = [""] * (1 + len(columns))
        for number, cell in enumerate(found):
            place = _column(cell, columns)
            if place is not None and not cell.figure and cell.left < columns[0][0] and number == 0:
                place = None  # a long label that reaches over the first column
            if place is None and cell.left > columns[0][0]:
                place = max(number for number, (left, _) in enumerate(columns) if left < cell.left)
                strays += 1
            at = 0 if place is None else place + 1
            cells[at] = f"{cells[at]} {cell.text}".strip()
        rows.append(_Row(cells if any(cells[1:]) else cells[:1], [line]))
    return rows if strays <= max(1, 0.1 * len(rows)) else None


def _joined(rows: list[_Row]) -> Iterator[_Row]:
    """Join what was printed as several lines: a label that goes on with a small letter, figures beside their label."""
    pending: _Row | None = None
    for row in rows:
        if pending is not None and _goes_on(pending, row):
            label = f"{pending.cells[0]} {row.cells[0]}".strip()
            pending = _Row([label, *pending.cells[1:], *row.cells[1:]], [*pending.lines, *row.lines])
            continue
        if pending is not None:
            yield pending
        pending = row
    if pending is not None:
        yield pending


def _goes_on(above: _Row, below: _Row) -> bool:
    one, other = above.lines[-1], below.lines[0]
    if len(above.cells) > 1 and len(below.cells) > 1:
        return False
    if not below.cells[0]:
        return len(above.cells) == 1 and abs(one.box[1] - other.box[1]) < 0.5 * max(one.height, 1.0)
    return below.cells[0][0].islower() and _near(one, other)


def _near(above: PrintedLine, below: PrintedLine) -> bool:
    return below.box[1] - above.box[3] < 0.6 * max(above.height, below.height, 1.0)
