"""Raw blocks → one cleaned text. Each step is a pure function; the counts of what they changed go to the report."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ingest.parsed import Block, Line, ParsedDocument, RawDocument, Span

BLOCK_BREAK = "\n\n"
ITEM_BREAK = "\n"
ITEM_INDENT = "  "
"""Before an item for each that it lies in: "a)" says little where it does not stand below its "1."."""
MAX_TITLE_CHARACTERS = 200
MAX_EDGE_SHARE = 0.25
"""Headers and footers are a small part of a document; what repeats beyond it is the document."""

_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]"
)
_UNUSUAL = re.compile(r"[^ -~‘’“”–—•…®™©£€¥§°×]|  ")
_SPACES = re.compile(r"[ \t\u00a0\u2000-\u200a\u202f\u205f\u3000]+")
_NEWLINES = re.compile(r"\n{3,}")
_SUSPECT = re.compile(r"[\u0080-\u009f\u00c2\u00c3\u00e2\u00ef\ufb00-\ufb06]")
_NUMBER = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"\W*(?:page|seite|pagina|página|side|sida|pg|p|s)?\W*#\W*(?:(?:of|von|sur|de|di|/|[-–])\W*#)?\W*"
)
"""A line that only numbers a page, in text whose numbers are `#`."""
COUNTING_SHARE = 0.5
"""Of the pages on which a header's number stays or counts on; parts of a document may be numbered anew."""


Place: TypeAlias = tuple[int, int]
"""(block, line), or (page, line) where there are no blocks yet."""


def clean_text(text: str, keep_spaces: bool = False) -> str:
    """Return text with broken Unicode mended, control and invisible characters gone and white space regular."""
    if not _UNUSUAL.search(text):  # most printed lines, at a tenth of the cost
        return text if keep_spaces else text.strip()
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    if _SUSPECT.search(text):
        text = _mend(text)
    text = _CONTROL.sub("", text.replace("\u00ad", ""))
    if not keep_spaces:
        text = _SPACES.sub(" ", text)
        text = re.sub(r" ?\n ?", "\n", text)
    text = _NEWLINES.sub("\n\n", text)
    return unicodedata.normalize("NFC", text).strip("\n" if keep_spaces else None)


def _mend(text: str) -> str:
    import ftfy

    return str(
        ftfy.fix_text(text, unescape_html=False, fix_character_width=False, uncurl_quotes=False, normalization=None)
    )


def join_lines(lines: list[Line]) -> tuple[str, list[tuple[int, int]], int]:
    """Join printed lines into a paragraph, undoing hyphenation.

    Returns:
        The text, the (start, end) of each line in it, and how many hyphens were undone.
    """
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    length, undone = 0, 0
    for line in lines:
        if parts and _hyphenated(parts[-1], line.text):
            parts[-1] = parts[-1][:-1]
            places[-1] = (places[-1][0], places[-1][1] - 1)
            length, undone = length - 1, undone + 1
        elif parts:
            parts.append(" ")
            length += 1
        places.append((length, length + len(line.text)))
        parts.append(line.text)
        length += len(line.text)
    return "".join(parts), places, undone


def _hyphenated(before: str, after: str) -> bool:
    return len(before) > 2 and before[-1] in "-\u2010" and before[-2].islower() and after[:1].islower()


def drop_repeated_edges(blocks: list[Block], pages: int) -> tuple[list[Block], int]:
    """Remove headers and footers from blocks that have printed lines.

    Returns:
        The blocks kept and how many lines were dropped.
    """
    printed: dict[int, list[tuple[tuple[int, int], str]]] = {}
    for number, block in enumerate(blocks):
        if block.page is not None:
            of_page = printed.setdefault(block.page, [])
            of_page += [((number, place), line.text) for place, line in enumerate(block.lines)]
    dropped = repeated_edges(printed, pages)
    return (_without(blocks, dropped) if dropped else blocks), len(dropped)


def repeated_edges(printed: Mapping[int, Sequence[tuple[Place, str]]], pages: int) -> set[Place]:
    """Return the headers and footers: first and last lines that repeat on most pages but for the page's number.

    Args:
        printed: for each page its lines as (place, text), in reading order.
        pages: how many pages there are, those without lines too.
    """
    if pages < 3:
        return set()
    found: dict[str, list[tuple[int, Place, str]]] = {}
    for page, lines in printed.items():
        for place, text in _edges(lines):
            found.setdefault(_NUMBER.sub("#", text.strip().lower()), []).append((page, place, text))
    # 3 of 3 pages or half of a long document: fewer is as likely a repeated table heading.
    needed = max(3, pages // 2)
    dropped = {
        place
        for said, edges in found.items()
        if len({page for page, _, _ in edges}) >= needed and (_PAGE_NUMBER.fullmatch(said) or _counts(edges))
        for _, place, _ in edges
    }
    if not dropped:
        return set()
    total = sum(len(text) for lines in printed.values() for _, text in lines)
    share = sum(len(text) for lines in printed.values() for place, text in lines if place in dropped)
    return dropped if share <= MAX_EDGE_SHARE * total else set()


def _counts(edges: Sequence[tuple[int, Place, str]]) -> bool:
    """Tell whether each number of a repeated line stays the same or counts the pages; rows of a table do neither."""
    pages = [page for page, _, _ in edges]
    for column in zip(*([int(number) for number in _NUMBER.findall(text)] for _, _, text in edges), strict=True):
        same = Counter(column).most_common(1)[0][1]
        counting = Counter(number - page for number, page in zip(column, pages, strict=True)).most_common(1)[0][1]
        if max(same, counting) < COUNTING_SHARE * len(edges):
            return False
    return True


def _edges(lines: Sequence[tuple[Place, str]]) -> Sequence[tuple[Place, str]]:
    """Return a page's outermost three lines at either end."""
    return [*lines[:3], *lines[-3:]] if len(lines) > 6 else lines


def _without(blocks: list[Block], dropped: set[tuple[int, int]]) -> list[Block]:
    kept: list[Block] = []
    for number, block in enumerate(blocks):
        if block.lines:
            block.lines = [line for place, line in enumerate(block.lines) if (number, place) not in dropped]
            if not block.lines:
                continue
        kept.append(block)
    return kept


def assemble(raw: RawDocument, name: str) -> ParsedDocument:
    """Clean a parser's blocks and lay them out as one text with offsets; `name` titles a file that has no title."""
    # A parser that knows lines before it makes blocks of them has dropped the edges itself.
    done = "repeated_lines_dropped" in raw.counts
    blocks, edges = (raw.blocks, 0) if done else drop_repeated_edges(raw.blocks, raw.pages)
    counts = {"blocks_read": len(raw.blocks), "repeated_lines_dropped": edges, "hyphens_undone": 0}
    parts: list[str] = []
    document = ParsedDocument("", [], "", raw.media_type, raw.parser)
    length = 0
    for block in blocks:
        text, places = _block_text(block, counts)
        if not text.strip():
            continue
        if parts:
            listed = block.kind == "list"
            parts.append(ITEM_BREAK if listed and document.spans[-1].kind == "list" else BLOCK_BREAK)
            parts[-1] += ITEM_INDENT * block.level if listed else ""
            length += len(parts[-1])
        document.spans.append(Span(block.kind, block.level, length, length + len(text), block.page))
        for line, (start, end) in zip(block.lines, places, strict=True):
            if line.box is not None and block.page is not None and end > start:
                document.layout.append((length + start, length + end, block.page, *line.box))
        parts.append(text)
        length += len(text)
    document.text = "".join(parts)
    document.pages = _page_table(document.spans, raw.pages)
    document.title = _title(raw, document, name)
    document.metadata, document.attachments = raw.metadata, raw.attachments
    document.warnings = raw.warnings
    document.report = counts | raw.counts | _ocr_report(raw)
    return document


def _block_text(block: Block, counts: dict[str, int]) -> tuple[str, list[tuple[int, int]]]:
    if not block.lines:
        return clean_text(block.text, keep_spaces=block.kind == "code"), []
    for line in block.lines:
        line.text = clean_text(line.text).replace("\n", " ")
    block.lines = [line for line in block.lines if line.text]
    if block.kind in ("table", "code"):
        return _stack(block.lines)
    text, places, undone = join_lines(block.lines)
    counts["hyphens_undone"] += undone
    return text, places


def _stack(lines: list[Line]) -> tuple[str, list[tuple[int, int]]]:
    places, length = [], 0
    for line in lines:
        places.append((length, length + len(line.text)))
        length += len(line.text) + 1
    return "\n".join(line.text for line in lines), places


def _page_table(spans: list[Span], pages: int) -> list[tuple[int, int, int]]:
    """Return (page, start, end) for every page that has text, in order of pages."""
    if not pages:
        return []
    bounds: dict[int, tuple[int, int]] = {}
    for span in spans:
        if span.page is not None:
            start, end = bounds.get(span.page, (span.start, span.end))
            bounds[span.page] = (min(start, span.start), max(end, span.end))
    return [(page, start, end) for page, (start, end) in sorted(bounds.items())]


def _title(raw: RawDocument, document: ParsedDocument, name: str) -> str:
    """Return the title the file states, else its first outermost heading, else its name."""
    stated = clean_text(raw.title or "").replace("\n", " ")
    if stated:
        return stated[:MAX_TITLE_CHARACTERS]
    headings = [span for span in document.spans if span.kind == "heading"]
    outermost = min((span.level for span in headings), default=0)
    first = next((span for span in headings if span.level == outermost), None)
    if first is not None:
        return document.text[first.start : first.end].replace("\n", " ")[:MAX_TITLE_CHARACTERS]
    return name


def _ocr_report(raw: RawDocument) -> dict[str, object]:
    if not raw.ocr_pages:
        return {}
    confidence = sum(raw.ocr_pages.values()) / len(raw.ocr_pages)
    return {"ocr_pages": len(raw.ocr_pages), "ocr_confidence": round(confidence, 3)}
