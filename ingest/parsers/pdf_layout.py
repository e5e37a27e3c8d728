"""Printed lines of a page → headings, paragraphs, list items and tables."""

from __future__ import annotations

import re
import statistics

from ingest.parsed import Block, Kind, Line
from ingest.parsers.pdf_tables import read_table
from ingest.parsers.printed import UNFINISHED, PrintedLine, figure_regions, is_row

HEADING_RATIO = 1.15  # a line this much taller than the body is a heading
MAX_HEADING_CHARACTERS = 140
PARAGRAPH_GAP = 0.55  # in line heights; leading inside a paragraph is below it

_BULLET = re.compile(r"^(?:[•●○▪■◦‣·–]|[-*]\s|\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)]\s)")
_LETTER = re.compile(r"[^\W\d_]")
_SYMBOL = re.compile(r"[•●○▪■◦‣·–*†‡]|[a-z]|\((?!\w{1,3}\))")  # an item, the rest of a sentence, a table's unit
_SENTENCE_END = re.compile(r"[.!?:;]['\")\]]*$")


def typical_height(lines: list[PrintedLine]) -> float:
    """Return the height of a body line: the median weighted by characters, 0 where nothing is known."""
    heights: list[float] = []
    for line in lines:
        height = round(line.box[3] - line.box[1], 1)
        if height > 0:
            heights += [height] * (1 + len(line.text) // 40)
    return statistics.median(heights) if heights else 0.0


def page_blocks(lines: list[PrintedLine], page: int, body: float) -> list[Block]:
    """Group a page's lines, which are in reading order, into blocks."""
    blocks: list[Block] = []
    done, table = 0, None
    for region in figure_regions(lines):
        table = read_table(lines, region, done, table)
        _add_lines(blocks, lines[done : table.start], page, body)
        blocks.append(Block("table", page=page, lines=table.lines))
        done = table.end
    _add_lines(blocks, lines[done:], page, body)
    return blocks


def _add_lines(blocks: list[Block], lines: list[PrintedLine], page: int, body: float) -> None:
    """Append the blocks of lines that stand in no table."""
    previous: PrintedLine | None = None
    for line in lines:
        kind, level = _kind(line, body)
        if previous is None or not _continues(blocks[-1], previous, line, kind, level):
            blocks.append(Block(kind, level=level, page=page))
        blocks[-1].lines.append(Line(line.text, line.box if line.height > 0 else None))
        previous = line


def _kind(line: PrintedLine, body: float) -> tuple[Kind, int]:
    if _looks_like_heading(line, body):
        ratio = line.height / body
        return "heading", 1 if ratio > 1.6 else 2 if ratio > HEADING_RATIO else 3
    return ("list" if _BULLET.match(line.text) else "text"), 0


def _looks_like_heading(line: PrintedLine, body: float) -> bool:
    if not body or len(line.text) > MAX_HEADING_CHARACTERS:
        return False
    taller = line.height > HEADING_RATIO * body
    bold = line.bold and len(line.text) < 100 and line.text[:1].isupper() and not _SENTENCE_END.search(line.text)
    if not (taller or bold) or len(_LETTER.findall(line.text)) < 3:
        return False
    unfinished = UNFINISHED.search(line.text) and line.height < 1.4 * body
    return not (unfinished or _SYMBOL.match(line.text) or is_row(line.text))


def _continues(block: Block, before: PrintedLine, line: PrintedLine, kind: Kind, level: int) -> bool:
    """Tell whether a line goes on with the block that the line before it ended."""
    gap = line.box[1] - before.box[3]
    height = max(before.height, line.height, 1.0)
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
