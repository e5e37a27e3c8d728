"""Pieces of print found on a picture → printed lines in reading order: columns one after the other, rows whole."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.parsed import Rectangle
from ingest.parsers.printed import PrintedLine

MIN_COLUMN_PIECES = 4  # on either side; fewer are as likely the parts of a heading
MIN_COLUMN_CHARACTERS = 18  # on average; columns of a table hold figures and words, those of print sentences
MIN_COLUMN_OVERLAP = 0.5  # of the shorter column's height; the parts of a form stand anywhere
GUTTER_PLACES = 48  # across the page that are tried
SAME_ROW = 0.5  # of a line's height; the middles of two lines are a whole height apart
LONG = 4.0  # heights; of shorter pieces the slope says nothing


@dataclass(slots=True)
class Piece:
    """A run of print, with its edges on the page turned level."""

    text: str
    left: float
    right: float
    top: float
    bottom: float

    @property
    def middle(self) -> float:
        """Half way between top and bottom."""
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Level:
    """How a page was turned so that its rows are level: radians against the clock, about a point."""

    angle: float = 0.0
    x: float = 0.0
    y: float = 0.0

    def undone(self, box: Rectangle) -> Rectangle:
        """Return where a box of the level page lies on the page as it is: moved, not turned."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x, y = (box[0] + box[2]) / 2 - self.x, (box[1] + box[3]) / 2 - self.y
        right, down = cos * x - sin * y - x, sin * x + cos * y - y
        x0, y0, x1, y1 = box
        return round(x0 + right, 1), round(y0 + down, 1), round(x1 + right, 1), round(y1 + down, 1)


Corners = Sequence[Sequence[float]]
"""(x, y) of a piece's corners: top left, top right, bottom right, bottom left."""


def slope(corners: Sequence[Corners]) -> float:
    """Return by how much print rises or falls, in radians: the middle one of the long pieces' slopes."""
    found = []
    for (x0, y0), (x1, y1), _, (x3, y3) in corners:
        if x1 - x0 > LONG * math.hypot(x3 - x0, y3 - y0):
            found.append(math.atan2(y1 - y0, x1 - x0))
    return statistics.median(found) if found else 0.0


def levelled(text: str, corners: Corners, angle: float) -> Piece:
    """Return a piece on the page turned level: what is askew by two degrees slips a row within a page's width."""
    cos, sin = math.cos(angle), math.sin(angle)
    x = [cos * px + sin * py for px, py in corners]
    y = [cos * py - sin * px for px, py in corners]
    return Piece(text, (x[0] + x[3]) / 2, (x[1] + x[2]) / 2, (y[0] + y[1]) / 2, (y[2] + y[3]) / 2)


def reading_order(pieces: Sequence[Piece]) -> list[PrintedLine]:
    """Return lines from top to bottom, of columns the left one first; pieces of a row are one line."""
    lines: list[PrintedLine] = []
    for group in _columns(sorted(pieces, key=lambda piece: piece.middle)):
        lines += [_line(row) for row in _rows(group)]
    return lines


def _columns(pieces: list[Piece]) -> list[list[Piece]]:
    """Part pieces, sorted from top to bottom, into the groups to be read one after the other."""
    best: list[tuple[list[Piece], list[Piece], list[Piece]]] = []
    for gutter in _gutters(pieces):
        parts = _parted(pieces, gutter)
        if sum(len(left) + len(right) for _, left, right in parts) > sum(
            len(left) + len(right) for _, left, right in best
        ):
            best = parts
    if not any(left for _, left, _ in best):
        return [pieces]
    groups: list[list[Piece]] = []
    for across, left, right in best:
        groups += [across] if across else []
        groups += _columns(left) + _columns(right) if left else []
    return groups


def _gutters(pieces: Sequence[Piece]) -> list[float]:
    if len(pieces) < 2 * MIN_COLUMN_PIECES:
        return []
    left, right = min(piece.left for piece in pieces), max(piece.right for piece in pieces)
    return [
        left + (right - left) * (n + 0.5) / GUTTER_PLACES for n in range(GUTTER_PLACES // 6, 5 * GUTTER_PLACES // 6)
    ]


def _parted(pieces: Sequence[Piece], gutter: float) -> list[tuple[list[Piece], list[Piece], list[Piece]]]:
    """Return, from top to bottom, (what goes across, left column, right column); what are no columns goes across."""
    parts: list[tuple[list[Piece], list[Piece], list[Piece]]] = []
    across: list[Piece] = []
    between: list[Piece] = []

    def close() -> None:
        nonlocal across, between
        left = [piece for piece in between if piece.right <= gutter]
        right = [piece for piece in between if piece.right > gutter]
        if _are_columns(left, right):
            parts.append((across, left, right))
            across = []
        else:
            across = across + between
        between = []

    for piece in pieces:
        if piece.left < gutter < piece.right:
            close()
            across.append(piece)
        else:
            between.append(piece)
    close()
    return [*parts, (across, [], [])]


def _are_columns(left: Sequence[Piece], right: Sequence[Piece]) -> bool:
    if min(len(left), len(right)) < MIN_COLUMN_PIECES:
        return False
    if any(statistics.fmean(len(piece.text) for piece in side) < MIN_COLUMN_CHARACTERS for side in (left, right)):
        return False
    tops = [side[0].top for side in (left, right)]
    bottoms = [max(piece.bottom for piece in side) for side in (left, right)]
    shorter = min(bottom - top for top, bottom in zip(tops, bottoms, strict=True))
    return min(bottoms) - max(tops) >= MIN_COLUMN_OVERLAP * shorter


def _rows(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Gather pieces, sorted from top to bottom, into rows, each sorted from left to right."""
    rows: list[list[Piece]] = []
    for piece in pieces:
        if rows and abs(piece.middle - _middle(rows[-1])) < SAME_ROW * min(piece.height, rows[-1][0].height):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return [sorted(row, key=lambda piece: piece.left) for row in rows]


def _middle(row: Sequence[Piece]) -> float:
    return statistics.fmean(piece.middle for piece in row)


def _line(row: Sequence[Piece]) -> PrintedLine:
    box = (
        round(min(piece.left for piece in row), 1),
        round(min(piece.top for piece in row), 1),
        round(max(piece.right for piece in row), 1),
        round(max(piece.bottom for piece in row), 1),
    )
    return PrintedLine(
        " ".join(piece.text for piece in row), box, words=[(piece.text, piece.left, piece.right) for piece in row]
    )
