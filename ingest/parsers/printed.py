"""Printed lines of a page: their words as cells, and which of them are rows of figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.numbers import RAISED
from ingest.parsed import Rectangle

MIN_ROWS = 3  # rows of at least two figures each; fewer are as likely a sentence about them
MAX_LABELS = 3  # lines without figures between two rows of figures
CELL_GAP = 0.5  # in line heights: about twice the space between two words

_MARKS = f"[{RAISED}]*"  # of notes, behind a figure
NUMBERLIKE = re.compile(
    rf"[($€£¥]*[-–—+]?[$€£¥]?\d[\d,.]*[)%x]*{_MARKS}$|[-–—]+[)%]*$|[$€£¥(]+$|[)%]+$|\(?n/?[am]\)?$|\(\w{{1,2}}\)$",
    re.IGNORECASE,
)
DIGIT = re.compile(r"\d")
YEAR = re.compile(rf"\b(?:19|20)\d\d(?=[{RAISED}]|\b)")
SENTENCE_END = re.compile(r"[.!?:;]['\"”’)\]]*$")
UNFINISHED = re.compile(r"(?:,| (?:and|or|of|the|for|in|to|on|with|by|at|from|as|within))$")  # the middle of a phrase
_OPENING = re.compile(r"[($€£¥]+$|[-–]?[$€£¥]$")
_CLOSING = re.compile(r"[)%]+$|(?:pts|pp|bps)\.?$")
DATE = re.compile(rf"(?:19|20)\d\d(?:\(\w\)|{_MARKS})$|[0-3]?\d$|\d\d?/\d\d?/(?:\d\d){{1,2}}$|FY\d+$|\(\w\)$")


@dataclass(slots=True)
class PrintedLine:
    """A line of a page with its rectangle (points, origin at the top left) and weight."""

    text: str
    box: Rectangle
    bold: bool = False
    words: list[tuple[str, float, float]] = field(default_factory=list)
    """(word or words, left, right); given for lines that may belong to a table."""
    white: bool = False
    """Whether it is printed in white; on a dark ground it is read all the same."""
    row: bool | None = None
    """Whether it reads as a row of figures; unset where not looked at yet."""

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
class Cell:
    """Words that stand together in a row of a table."""

    text: str
    left: float
    right: float
    figure: bool = False


def figure_regions(lines: Sequence[PrintedLine]) -> list[Region]:
    """Return where a page's lines are rows of figures with at most short labels between them."""
    for line in lines:
        if line.row is None:
            line.row = is_row(line.text)
    figures = [line.row for line in lines]
    found: list[Region] = []
    start = 0
    while start < len(lines):
        if not figures[start]:
            start += 1
            continue
        last, rows = start, 1
        for ahead in range(start + 1, len(lines)):
            if figures[ahead]:
                if rows >= MIN_ROWS and names_years(lines[ahead].text):
                    break  # the heads of the next table
                last, rows = ahead, rows + 1
            elif ahead - last > MAX_LABELS or not _is_label(lines[ahead].text):
                break
        if rows >= MIN_ROWS:
            found.append(Region(start, last + 1))
        start = last + 1
    return found


def is_row(text: str) -> bool:
    """Tell whether a line reads as a row of figures: it ends in two of them, or most of it is figures."""
    if not DIGIT.search(text):
        return False
    words = text.split()
    at = len(words)
    while at and NUMBERLIKE.match(words[at - 1]):
        at -= 1
    ending = sum(1 for word in words[at:] if word.isalnum() or len(word) > 1 or word in "-–—")
    if ending >= 2 and any(DIGIT.search(word) for word in words[at:]):
        return at <= 14 or ending >= 3
    figures = [word for word in words if NUMBERLIKE.match(word)]
    return len(figures) >= 2 and len(figures) >= 0.4 * len(words) and any(DIGIT.search(word) for word in figures)


def names_years(text: str) -> bool:
    """Tell whether all figures of a line are years, dates and notes."""
    figures = [word.strip(",") for word in text.split() if DIGIT.search(word)]
    return sum(1 for word in figures if YEAR.search(word)) >= 2 and all(DATE.match(word) for word in figures)


def _is_label(text: str) -> bool:
    return len(text) <= 130 and not (len(text) > 60 and SENTENCE_END.search(text) and not text.endswith(":"))


def cells_of(line: PrintedLine) -> list[Cell]:
    """Part a line's words into cells at its wide gaps; signs join the figure they belong to."""
    gap = CELL_GAP * max(line.height, 4.0)
    cells: list[Cell] = []
    for word, left, right in line.words:
        before = cells[-1] if cells else None
        if before is not None and _belongs(before, word, left, gap):
            before.text, before.right = before.text + word, right
        elif before is None or left - before.right >= gap or (_OPENING.match(word) and _is_figure(before.text)):
            cells.append(Cell(word, left, right))
        else:
            before.text, before.right = f"{before.text} {word}", right
    for cell in cells:
        cell.figure = _is_figure(cell.text)
    return cells


def _belongs(before: Cell, word: str, left: float, gap: float) -> bool:
    """Tell whether a word goes on with a cell without a space: a figure after its sign, a sign after its figure."""
    if _OPENING.match(before.text):
        return bool(NUMBERLIKE.match(word))
    return bool(_CLOSING.match(word) and DIGIT.search(before.text[-2:])) and left - before.right < 3 * gap


def _is_figure(text: str) -> bool:
    if len(text) > 3 and not DIGIT.search(text):
        return False
    return all(NUMBERLIKE.match(word) for word in text.split())
