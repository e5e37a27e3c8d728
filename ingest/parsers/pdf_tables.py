"""Printed rows of figures → Markdown tables: columns from where the words stand, heads joined over them.

Where the words' places do not part into columns, the rows stay as they were printed.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ingest.parsed import Line, Rectangle
from ingest.parsers.tables import RULE

MIN_ROWS = 3  # rows of at least two figures each; fewer are as likely a sentence about them
MAX_LABELS = 3  # lines without figures between two rows of figures
MAX_HEAD_LINES = 20  # narrow columns print their heads a word a line
CELL_GAP = 0.5  # in line heights: about twice the space between two words
MAX_HEAD_CHARACTERS = 120
MAX_HEAD_CELL_CHARACTERS = 70
MAX_HEADS_CHARACTERS = 160  # of all columns together; they are repeated with every passage of a table
TOUCHING = 2.0  # points between a figure and the bracket that hangs over its column's edge
MAX_COLUMNS = 40
MAX_CLASHES = 0.05  # of the rows may have two cells in one column

_NUMBERLIKE = re.compile(
    r"^[($€£¥]*[-–—+]?[$€£¥]?\d[\d,.]*[)%x]*$|^[-–—]+[)%]*$|^[$€£¥(]+$|^[)%]+$|^\(?n/?[am]\)?$|^\(\w{1,2}\)$",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_OPENING = re.compile(r"^[($€£¥]+$|^[-–]?[$€£¥]$")
_CLOSING = re.compile(r"^[)%]+[%)]*$|^(?:pts|pp|bps)\.?$")
_DATE = re.compile(r"(?:19|20)\d\d(?:\(\w\))?$|[0-3]?\d$|\d\d?/\d\d?/(?:\d\d){1,2}$|FY\d+$|\(\w\)$")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_UNITS = re.compile(
    r"million|thousand|billion|\bended\b|\bas of\b|\bat \w+ \d|except|\$|€|£|%|unaudited", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?:;]['\"”’)\]]*$")


@dataclass(slots=True)
class PrintedLine:
    """A line of a page with its rectangle (points, origin at the top left) and weight."""

    text: str
    box: Rectangle
    bold: bool = False
    words: list[tuple[str, float, float]] = field(default_factory=list)
    """(word, left, right); given for lines that may belong to a table."""

    @property
    def height(self) -> float:
        """The line's height in points."""
        return self.box[3] - self.box[1]


@dataclass(slots=True)
class Region:
    """Where rows of figures stand among a page's lines, as a slice."""

    start: int
    end: int


@dataclass(slots=True)
class Table:
    """A table found: the slice of lines that it takes the place of, and its own lines."""

    start: int
    end: int
    lines: list[Line]
    columns: list[tuple[float, float]] = field(default_factory=list)
    """(left, right) of each column right of the labels; none where the rows stay as printed."""
    heads: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Cell:
    text: str
    left: float
    right: float

    @property
    def figure(self) -> bool:
        return bool(_DIGIT.search(self.text) or len(self.text) < 4) and all(
            _NUMBERLIKE.match(word) for word in self.text.split()
        )


def figure_regions(lines: Sequence[PrintedLine]) -> list[Region]:
    """Return where a page's lines are rows of figures with at most short labels between them."""
    figures = [is_row(line.text) for line in lines]
    found: list[Region] = []
    start = 0
    while start < len(lines):
        if not figures[start]:
            start += 1
            continue
        last = start
        for ahead in range(start + 1, len(lines)):
            if figures[ahead] and sum(figures[start:ahead]) >= MIN_ROWS and _names_years(lines[ahead].text):
                break  # the heads of the next table
            if figures[ahead]:
                last = ahead
            elif ahead - last > MAX_LABELS or not _is_label(lines[ahead].text):
                break
        if sum(figures[start : last + 1]) >= MIN_ROWS:
            found.append(Region(start, last + 1))
        start = last + 1
    return found


def is_row(text: str) -> bool:
    """Tell whether a line reads as a row of figures: it ends in two of them, or most of it is figures."""
    if not _DIGIT.search(text):
        return False
    words = text.split()
    at = len(words)
    while at and _NUMBERLIKE.match(words[at - 1]):
        at -= 1
    ending = sum(1 for word in words[at:] if word.isalnum() or len(word) > 1 or word in "-–—")
    if ending >= 2 and any(_DIGIT.search(word) for word in words[at:]):
        return at <= 14 or ending >= 3
    figures = [word for word in words if _NUMBERLIKE.match(word)]
    return len(figures) >= 2 and len(figures) >= 0.4 * len(words) and any(_DIGIT.search(word) for word in figures)


def _is_label(text: str) -> bool:
    return len(text) <= 130 and not (len(text) > 60 and _SENTENCE_END.search(text) and not text.endswith(":"))


def read_table(lines: Sequence[PrintedLine], region: Region, after: int, before: Table | None = None) -> Table:
    """Return the table of a region; `after` is the first line that may be its heading.

    A table without heads of its own whose columns stand below those of the one `before` goes on with that one's heads.
    Where no columns are found, the lines stay as printed, with up to four short lines above as their header.
    """
    start = _below_years(lines, region)
    body = lines[start : region.end]
    columns = _columns([_cells(line) for line in body]) if all(line.words for line in body) else []
    grid = _grid(body, columns) if columns else None
    if grid is None:
        first = _plain_head(lines, region.start, after)
        return Table(first, region.end, [Line(line.text, line.box) for line in lines[first : region.end]])
    first, labels = _head_lines(lines, start, after, columns)
    heads = _heads(lines[first:labels], columns)
    if not any(heads) and before is not None and _same_columns(columns, before.columns):
        heads = before.heads
    above = _grid(lines[labels:start], columns) or [_Row([line.text], [line]) for line in lines[labels:start]]
    rows = [Line(row.markdown(), row.box()) for row in _joined([*above, *grid])]
    names = Line(_markdown(heads), _around(lines[first:labels]))
    rule = Line("|" + f" {RULE} |" * len(heads), None)
    return Table(first, region.end, [names, rule, *rows], columns, heads)


def _below_years(lines: Sequence[PrintedLine], region: Region) -> int:
    """Return the first line of a region that is no row of years or dates, which are heads."""
    number = region.start
    while number < min(region.start + 3, region.end - 1) and _names_years(lines[number].text):
        number += 1
    return number


def _names_years(text: str) -> bool:
    """Tell whether all figures of a line are years, dates and notes."""
    figures = [word.strip(",") for word in text.split() if _DIGIT.search(word)]
    return sum(1 for word in figures if _YEAR.search(word)) >= 2 and all(_DATE.match(word) for word in figures)


def _same_columns(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> bool:
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


def _cells(line: PrintedLine) -> list[_Cell]:
    """Part a line's words into cells at its wide gaps; signs join the figure they belong to."""
    gap = CELL_GAP * max(line.height, 4.0)
    cells: list[_Cell] = []
    for word, left, right in line.words:
        before = cells[-1] if cells else None
        if before is not None and _belongs(before, word, left, gap):
            before.text, before.right = before.text + word, right
        elif before is not None and left - before.right < gap and not (before.figure and _OPENING.match(word)):
            before.text, before.right = f"{before.text} {word}", right
        else:
            cells.append(_Cell(word, left, right))
    return cells


def _belongs(before: _Cell, word: str, left: float, gap: float) -> bool:
    """Tell whether a word goes on with a cell without a space: a figure after its sign, a sign after its figure."""
    if _OPENING.match(before.text):
        return bool(_NUMBERLIKE.match(word))
    return bool(_CLOSING.match(word) and _DIGIT.search(before.text[-2:])) and left - before.right < 3 * gap


def _columns(rows: list[list[_Cell]]) -> list[tuple[float, float]]:
    """Return (left, right) of each column right of the labels, or nothing where the figures do not stand in columns."""
    figures = [
        cell for cells in rows for number, cell in enumerate(cells) if cell.figure and (number or len(cells) > 1)
    ]
    figures = [cell for cell in figures if _DIGIT.search(cell.text) or len(cell.text) < 3]
    for merged in (_by_overlap(figures), _by_right_edge(figures, rows)):
        columns = [column for column, count in merged if count >= 2 or count >= 0.2 * len(rows)]
        if not 2 <= len(columns) <= MAX_COLUMNS:
            continue
        if _clashes(rows, columns) <= MAX_CLASHES * len(rows):
            return columns
    return []


def _by_overlap(cells: list[_Cell]) -> list[tuple[tuple[float, float], int]]:
    """Cluster cells whose widths overlap."""
    found: list[tuple[tuple[float, float], int]] = []
    for cell in sorted(cells, key=lambda cell: cell.left):
        if found and cell.left < found[-1][0][1] + TOUCHING:
            (left, right), count = found[-1]
            found[-1] = ((left, max(right, cell.right)), count + 1)
        else:
            found.append(((cell.left, cell.right), 1))
    return found


def _by_right_edge(cells: list[_Cell], rows: list[list[_Cell]]) -> list[tuple[tuple[float, float], int]]:
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


def _clashes(rows: list[list[_Cell]], columns: list[tuple[float, float]]) -> int:
    """Count the rows in which two figures fall into one column, or one into none."""
    count = 0
    for cells in rows:
        places = [
            _column(cell, columns) for number, cell in enumerate(cells) if cell.figure and (number or len(cells) > 1)
        ]
        count += len(set(places)) < len(places)
    return count


def _column(cell: _Cell, columns: list[tuple[float, float]]) -> int | None:
    """Return the column that a cell overlaps most; None where it stands in none."""
    best, place = 0.0, None
    for number, (left, right) in enumerate(columns):
        shared = min(right, cell.right) - max(left, cell.left)
        if shared > best:
            best, place = shared, number
    return place


def _grid(body: Sequence[PrintedLine], columns: list[tuple[float, float]]) -> list[_Row] | None:
    """Return the rows of a table, or None where too many texts fall between its columns."""
    rows: list[_Row] = []
    strays = 0
    for line in body:
        cells = [""] * (1 + len(columns))
        for number, cell in enumerate(_cells(line)):
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


def _head_lines(
    lines: Sequence[PrintedLine], start: int, after: int, columns: list[tuple[float, float]]
) -> tuple[int, int]:
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
        elif kind == "label" and bare < MAX_LABELS and not _SENTENCE_END.search(line.text.rstrip(":)")):
            bare += 1
        else:
            break
    if after < first < start and _names_units(lines[first - 1], columns, margin):
        first -= 1
    return first, labels


def _names_units(line: PrintedLine, columns: list[tuple[float, float]], margin: float) -> bool:
    """Tell whether a line above the heads says the units or dates at the left."""
    short = bool(line.words) and len(line.text) < 90
    return short and bool(_UNITS.search(line.text)) and _over_columns(line, columns, margin) == "label"


def _over_columns(line: PrintedLine, columns: list[tuple[float, float]], margin: float) -> str:
    """Tell whether a line stands over the columns (heads), left of them (label), across both (text) or is a row."""
    cells = _cells(line)
    if any(
        cell.figure and cell.left > columns[0][0] - line.height and not _DATE.match(cell.text) for cell in cells[1:]
    ):
        return "row"
    if cells[-1].right < columns[0][0] and not _dates_only(cells[-len(columns) :], columns):
        return "label"
    edge = (margin + columns[0][0]) / 2
    over = [cell for cell in cells if cell.right > columns[0][0]]
    across = [cell for cell in over if cell.left < edge or cell.left + cell.right < 2 * columns[0][0] - line.height]
    return "text" if across or any(len(cell.text) > MAX_HEAD_CELL_CHARACTERS for cell in over) else "heads"


def _heads(lines: Sequence[PrintedLine], columns: list[tuple[float, float]]) -> list[str]:
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


def _dates_only(cells: list[_Cell], columns: list[tuple[float, float]]) -> bool:
    """Tell whether a row of heads names a year or date for every column; years often stand beside their figures."""
    return len(cells) == len(columns) and all(_YEAR.search(cell.text) and len(cell.text) < 30 for cell in cells)


def _widen(columns: list[tuple[float, float]], cells: list[_Cell], spans: list[list[int]]) -> None:
    """Let columns be as wide as the single heads that stand over them."""
    for cell, span in zip(cells, spans, strict=True):
        if len(span) != 1:
            continue
        number = span[0]
        left, right = columns[number]
        low = columns[number - 1][1] if number else 0.0
        high = columns[number + 1][0] if number + 1 < len(columns) else cell.right
        columns[number] = max(min(left, cell.left), min(left, low)), min(max(right, cell.right), max(right, high))


def _visual_rows(lines: Sequence[PrintedLine]) -> list[list[_Cell]]:
    """Return the cells of lines by the row they stand in on the page; pdfium parts a row at wide gaps."""
    rows: list[tuple[float, list[_Cell]]] = []
    for line in sorted(lines, key=lambda line: line.box[1] + line.box[3]):
        middle = (line.box[1] + line.box[3]) / 2
        if rows and middle - rows[-1][0] < 0.35 * line.height:
            rows[-1][1].extend(_cells(line))
        else:
            rows.append((middle, _cells(line)))
    return [sorted(cells, key=lambda cell: cell.left) for _, cells in rows]


def _spans(cells: list[_Cell], columns: list[tuple[float, float]]) -> list[list[int]]:
    """Return the columns that each head of a row stands over."""
    if len(cells) == 1 and _centred(cells[0], columns[0][0], columns[-1][1], tolerance=0.1):
        return [list(range(len(columns)))]
    alone = [_own_column(cell, columns) for cell in cells]
    each, rest = divmod(len(columns), len(cells)) if cells else (0, 1)
    if not rest and each > 1 and any(place is None for place in alone):
        groups = [list(range(number * each, (number + 1) * each)) for number in range(len(cells))]
        middles = [(columns[group[0]][0], columns[group[-1]][1]) for group in groups]
        if all(_centred(cell, left, right) for cell, (left, right) in zip(cells, middles, strict=True)):
            return groups
    return [_overlapped(cell, columns) if place is None else [place] for cell, place in zip(cells, alone, strict=True)]


def _own_column(cell: _Cell, columns: list[tuple[float, float]]) -> int | None:
    """Return the one column that a head stands over without reaching half-way to the next; None where it reaches."""
    for number, (left, right) in enumerate(columns):
        room_left = (left - columns[number - 1][1]) / 2 if number else right - left + 20.0
        room_right = (columns[number + 1][0] - right) / 2 if number + 1 < len(columns) else 20.0
        if cell.left > left - room_left - 1 and cell.right < right + room_right + 1:
            return number
    return None


def _centred(cell: _Cell, left: float, right: float, tolerance: float = 0.2) -> bool:
    return abs((cell.left + cell.right) / 2 - (left + right) / 2) < tolerance * (right - left)


def _overlapped(cell: _Cell, columns: list[tuple[float, float]]) -> list[int]:
    """Return the columns that a head overlaps by a third, else the nearest."""
    found = [
        number
        for number, (left, right) in enumerate(columns)
        if min(right, cell.right) - max(left, cell.left) > 0.3 * min(right - left, cell.right - cell.left)
    ]
    middle = (cell.left + cell.right) / 2
    nearest = min(range(len(columns)), key=lambda number: abs(sum(columns[number]) / 2 - middle))
    return found or [nearest]


def _plain_head(lines: Sequence[PrintedLine], start: int, after: int) -> int:
    """Return where a table's header begins: up to four short lines above that name years, units or columns."""
    first = start
    for above in range(start - 1, max(start - 5, after - 1), -1):
        text = lines[above].text
        if len(text) > 110 or (_SENTENCE_END.search(text) and not text.rstrip().endswith((":", ")"))):
            break
        if not (_YEAR.search(text) or _UNITS.search(text) or text.endswith(":") or len(text) < 60):
            break
        first = above
    return first
