"""Printed lines of a page → headings, paragraphs, list items and tables."""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass

from ingest.parsed import Block, Kind, Line, Rectangle

HEADING_RATIO = 1.15  # a line this much taller than the body is a heading
MAX_HEADING_CHARACTERS = 140
PARAGRAPH_GAP = 0.55  # in line heights; leading inside a paragraph is below it

_NUMBERLIKE = re.compile(
    r"^[($€£¥]*[-–—]?\d[\d,.]*[)%x]*$|^[-–—]+[)%]?$|^[$€£¥]$|^[(]$|^[)%]+$|^\(?n/?[am]\)?$", re.IGNORECASE
)
_BULLET = re.compile(r"^(?:[•●○▪■◦‣·–]|[-*]\s|\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)]\s)")
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
_YEARS = re.compile(r"\b(?:19|20)\d\d\b")
_SENTENCE_END = re.compile(r"[.!?:;]['\")\]]*$")


@dataclass(slots=True)
class PrintedLine:
    """A line of a page with its rectangle (points, origin at the top left) and weight."""

    text: str
    box: Rectangle
    bold: bool = False

    @property
    def height(self) -> float:
        """The line's height in points."""
        return self.box[3] - self.box[1]


def typical_height(lines: list[PrintedLine]) -> float:
    """Return the height of a body line: the median weighted by characters, 0 where nothing is known."""
    heights = [round(line.height, 1) for line in lines if line.height > 0 for _ in range(1 + len(line.text) // 40)]
    return statistics.median(heights) if heights else 0.0


def page_blocks(lines: list[PrintedLine], page: int, body: float) -> list[Block]:
    """Group a page's lines, which are in reading order, into blocks."""
    rows = _table_rows(lines)
    blocks: list[Block] = []
    previous: PrintedLine | None = None
    for number, line in enumerate(lines):
        kind, level = _kind(line, body, rows[number])
        if previous is None or not _continues(blocks[-1], previous, line, kind, level):
            blocks.append(Block(kind, level=level, page=page))
        blocks[-1].lines.append(Line(line.text, line.box if line.height > 0 else None))
        previous = line
    return blocks


def _kind(line: PrintedLine, body: float, in_table: bool) -> tuple[Kind, int]:
    if in_table:
        return "table", 0
    if _looks_like_heading(line, body):
        ratio = line.height / body
        return "heading", 1 if ratio > 1.6 else 2 if ratio > HEADING_RATIO else 3
    return ("list" if _BULLET.match(line.text) else "text"), 0


def _looks_like_heading(line: PrintedLine, body: float) -> bool:
    if not body or len(line.text) > MAX_HEADING_CHARACTERS or len(_LETTER.findall(line.text)) < 3:
        return False
    if line.height > HEADING_RATIO * body:
        return True
    return line.bold and len(line.text) < 100 and not _SENTENCE_END.search(line.text) and line.text[:1].isupper()


def _continues(block: Block, before: PrintedLine, line: PrintedLine, kind: Kind, level: int) -> bool:
    """Tell whether a line goes on with the block that the line before it ended."""
    gap = line.box[1] - before.box[3]
    height = max(before.height, line.height, 1.0)
    if kind == "table" or block.kind == "table":
        return kind == block.kind
    if kind == "heading" or block.kind == "heading":
        return kind == block.kind and level == block.level and -height < gap < PARAGRAPH_GAP * height
    if kind == "list":
        return False
    if line.height <= 0 or before.height <= 0:
        return True
    if gap < -2 * height:  # the next column starts higher up; a sentence may run on into it
        return not _SENTENCE_END.search(before.text)
    indented = line.box[0] > before.box[0] + 0.8 * height and bool(_SENTENCE_END.search(before.text))
    return gap < PARAGRAPH_GAP * height and not (indented and block.kind == "text")


def _table_rows(lines: list[PrintedLine]) -> list[bool]:
    """Mark the lines that belong to a table of figures: rows of numbers, the labels between and the header above."""
    numeric = [_numbers(line.text) for line in lines]
    marked = [False] * len(lines)
    start = 0
    while start < len(lines):
        if not numeric[start]:
            start += 1
            continue
        end = start
        for ahead in range(start + 1, len(lines)):
            if numeric[ahead]:
                end = ahead
            elif ahead - end > 3 or not _label(lines[ahead].text):
                break
        if sum(numeric[start : end + 1]) >= 3:
            for row in range(_header_start(lines, start), end + 1):
                marked[row] = True
        start = end + 1
    return marked


def _numbers(text: str) -> bool:
    """Tell whether a line reads as a row of figures: a short label and at least two of them."""
    if not _DIGIT.search(text):
        return False
    words = text.split()
    numbers = [word for word in words if _NUMBERLIKE.match(word)]
    found = len(numbers)
    return (
        found >= 2
        and any(_DIGIT.search(word) for word in numbers)
        and (found >= 0.4 * len(words) or (found >= 3 and len(words) - found <= 12))
    )


def _label(text: str) -> bool:
    return len(text) <= 90 and not (len(text) > 60 and _SENTENCE_END.search(text) and not text.endswith(":"))


def _header_start(lines: list[PrintedLine], start: int) -> int:
    """Return where a table's header begins: up to four short lines above that name years, units or columns."""
    first = start
    for above in range(start - 1, max(start - 5, -1), -1):
        text = lines[above].text
        if len(text) > 110 or (_SENTENCE_END.search(text) and not text.rstrip().endswith((":", ")"))):
            break
        if (
            _YEARS.search(text)
            or "million" in text.lower()
            or "thousand" in text.lower()
            or text.endswith(":")
            or len(text) < 60
        ):
            first = above
        else:
            break
    return first
