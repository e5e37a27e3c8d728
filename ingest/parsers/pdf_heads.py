"""What stands above a table's columns: the lines that name them, each joined to the columns that it stands over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from ingest.parsers.printed import DATE, MAX_LABELS, SENTENCE_END, UNFINISHED, YEAR, Cell, PrintedLine, cells_of

MAX_HEAD_GAP = 2.0  # line heights from a head to its rows or the next line of the head
MAX_HEAD_LINES = 20  # narrow columns print their heads a word a line
MAX_HEAD_CHARACTERS = 120
MAX_HEAD_CELL_CHARACTERS = 70
MAX_HEADS_CHARACTERS = 160  # of all columns together; they are repeated with every passage of a table

_UNITS = re.compile(
    r"million|thousand|billion|\bended\b|\bas of\b|\bat \w+ \d|except|\$|€|£|%|unaudited", re.IGNORECASE
)

Columns: TypeAlias = list[tuple[float, float]]
"""(left, right) of each column right of the labels."""


def heads_table(lines: Sequence[PrintedLine], number: int, below: int, first: int) -> bool:
    """Tell whether a line names columns of the table whose first row of figures begins at the line `first`.

    `below` is the line under it: that row, or the next line of the head.
    """
    line = lines[number]
    near = lines[below].box[1] - line.box[3] <= MAX_HEAD_GAP * max(line.height, 4.0)
    if not (line.words and near and lines[first].row) or line.row:
        return False
    heads, cells = (
        [cell for other in lines[max(0, at - 8) : at + 9] if _beside(other, lines[at]) for cell in cells_of(other)]
        for at in (number, first)
    )
    gap = max(line.height, 4.0)
    over = {
        place
        for head in heads
        for place, cell in enumerate(cells)
        if head.left < cell.right + gap and cell.left < head.right + gap
    }
    return len(heads) >= 2 and len(over) >= 2


def _beside(one: PrintedLine, other: PrintedLine) -> bool:
    return bool(one.words) and abs(one.box[1] + one.box[3] - other.box[1] - other.box[3]) < 0.7 * other.height


def head_lines(lines: Sequence[PrintedLine], start: int, after: int, columns: Columns) -> tuple[int, int]:
    """Return the slice of lines above a table that name its columns; what follows it up to `start` are labels."""
    first = labels = start
    margin = min(line.box[0] for line in lines[start : start + 8])
    bare = 0
    for number in range(start - 1, max(after, start - MAX_HEAD_LINES) - 1, -1):
        line = lines[number]
        if not line.words or len(line.text) > MAX_HEAD_CHARACTERS or line.box[1] > lines[start].box[3]:
            break
        if lines[number + 1].box[1] - line.box[3] > 3 * max(line.height, 4.0):
            break
        kind = _over_columns(line, columns, margin)
        if kind == "heads":
            if first == start:
                labels = number + 1
            first, bare = number, 0
        elif kind == "row" and first == start:
            continue
        elif kind == "label" and bare < MAX_LABELS and not SENTENCE_END.search(line.text.rstrip(":)")):
            bare += 1
        else:
            break
    if after < first < start and _names_units(lines[first - 1], columns, margin):
        first -= 1
    return first, labels


def _names_units(line: PrintedLine, columns: Columns, margin: float) -> bool:
    """Tell whether a line above the heads says the units or dates at the left."""
    short = bool(line.words) and len(line.text) < 90
    return short and bool(_UNITS.search(line.text)) and _over_columns(line, columns, margin) == "label"


def _over_columns(line: PrintedLine, columns: Columns, margin: float) -> str:
    """Tell whether a line stands over the columns (heads), left of them (label), across both (text) or is a row."""
    cells = cells_of(line)
    if any(cell.figure and cell.left > columns[0][0] - line.height and not DATE.match(cell.text) for cell in cells[1:]):
        return "row"
    if cells[-1].right < columns[0][0] and not _dates_only(cells[-len(columns) :], columns):
        return "label"
    edge = (margin + columns[0][0]) / 2
    over = [cell for cell in cells if cell.right > columns[0][0]]
    across = [cell for cell in over if cell.left < edge or cell.left + cell.right < 2 * columns[0][0] - line.height]
    return "text" if across or any(len(cell.text) > MAX_HEAD_CELL_CHARACTERS for cell in over) else "heads"


def heads_of(lines: Sequence[PrintedLine], columns: Columns) -> list[str]:
    """Return the heads of the label column and of each other, lines of one head joined from top to bottom.

    What stands over all columns is said once, with the labels' head. Where all heads together are long, a head over
    several columns is said at the first of them only.
    """
    columns = list(columns)
    rows: list[list[tuple[str, list[int]]]] = []
    for cells in reversed(_visual_rows(lines)):  # from the bottom: single heads widen their columns for those above
        over = [cell for cell in cells if cell.right > columns[0][0]]
        spans = _spans(over, columns)
        if _dates_only(cells[-len(columns) :], columns):
            over, spans = cells[-len(columns) :], [[number] for number in range(len(columns))]
        labels = [cell for cell in cells if cell not in over]
        rows.insert(
            0,
            [(cell.text, []) for cell in labels] + [(cell.text, span) for cell, span in zip(over, spans, strict=True)],
        )
        _widen(columns, over, spans)
    places = [(text, [] if len(span) == len(columns) else span) for row in rows for text, span in row]
    long = sum(len(text) * max(len(span), 1) for text, span in places) > MAX_HEADS_CHARACTERS
    heads: list[list[str]] = [[] for _ in range(1 + len(columns))]
    for text, span in places:
        for place in (span[:1] if long else span) or [-1]:
            heads[place + 1].append(text)
    return [" ".join(parts) for parts in heads]


def _dates_only(cells: list[Cell], columns: Columns) -> bool:
    """Tell whether a row of heads names a year or date for every column; years often stand beside their figures."""
    return len(cells) == len(columns) and all(YEAR.search(cell.text) and len(cell.text) < 30 for cell in cells)


def _widen(columns: Columns, cells: list[Cell], spans: list[list[int]]) -> None:
    """Let columns be as wide as the single heads that stand over them."""
    for cell, span in zip(cells, spans, strict=True):
        if len(span) != 1:
            continue
        number = span[0]
        left, right = columns[number]
        low = columns[number - 1][1] if number else 0.0
        high = columns[number + 1][0] if number + 1 < len(columns) else cell.right
        columns[number] = max(min(left, cell.left), min(left, low)), min(max(right, cell.right), max(right, high))


def _visual_rows(lines: Sequence[PrintedLine]) -> list[list[Cell]]:
    """Return the cells of lines by the row they stand in on the page; pdfium parts a row at wide gaps."""
    rows: list[tuple[float, list[Cell]]] = []
    for line in sorted(lines, key=lambda line: line.box[1] + line.box[3]):
        middle = (line.box[1] + line.box[3]) / 2
        if rows and middle - rows[-1][0] < 0.35 * line.height:
            rows[-1][1].extend(cells_of(line))
        else:
            rows.append((middle, cells_of(line)))
    return [sorted(cells, key=lambda cell: cell.left) for _, cells in rows]


def _spans(cells: list[Cell], columns: Columns) -> list[list[int]]:
    """Return the columns that each head of a row stands over."""
    lone = len(cells) == 1 and not UNFINISHED.search(cells[0].text)
    if lone and _centred(cells[0], columns[0][0], columns[-1][1], tolerance=0.1):
        return [list(range(len(columns)))]
    alone = [_own_column(cell, columns) for cell in cells]
    each, rest = divmod(len(columns), len(cells)) if cells else (0, 1)
    if not rest and each > 1 and any(place is None for place in alone):
        groups = [list(range(number * each, (number + 1) * each)) for number in range(len(cells))]
        middles = [(columns[group[0]][0], columns[group[-1]][1]) for group in groups]
        if all(_centred(cell, left, right) for cell, (left, right) in zip(cells, middles, strict=True)):
            return groups
    return [_overlapped(cell, columns) if place is None else [place] for cell, place in zip(cells, alone, strict=True)]


def _own_column(cell: Cell, columns: Columns) -> int | None:
    """Return the one column that a head stands over without reaching half-way to the next; None where it reaches."""
    for number, (left, right) in enumerate(columns):
        room_left = (left - columns[number - 1][1]) / 2 if number else right - left + 20.0
        room_right = (columns[number + 1][0] - right) / 2 if number + 1 < len(columns) else 20.0
        if cell.left > left - room_left - 1 and cell.right < right + room_right + 1:
            return number
    return None


def _centred(cell: Cell, left: float, right: float, tolerance: float = 0.2) -> bool:
    return abs((cell.left + cell.right) / 2 - (left + right) / 2) < tolerance * (right - left)


def _overlapped(cell: Cell, columns: Columns) -> list[int]:
    """Return the columns that a head overlaps by a third, else the nearest."""
    found = [
        number
        for number, (left, right) in enumerate(columns)
        if min(right, cell.right) - max(left, cell.left) > 0.3 * min(right - left, cell.right - cell.left)
    ]
    middle = (cell.left + cell.right) / 2
    nearest = min(range(len(columns)), key=lambda number: abs(sum(columns[number]) / 2 - middle))
    return found or [nearest]


def plain_head(lines: Sequence[PrintedLine], start: int, after: int) -> int:
    """Return where a table's header begins: up to four short lines above that name years, units or columns."""
    first = start
    for above in range(start - 1, max(start - 5, after - 1), -1):
        text = lines[above].text
        if len(text) > 110 or (SENTENCE_END.search(text) and not text.rstrip().endswith((":", ")"))):
            break
        if not (YEAR.search(text) or _UNITS.search(text) or text.endswith(":") or len(text) < 60):
            break
        first = above
    return first
