"""Data as text: CSV tables, JSON, XML, subtitles."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from core.errors import Unparseable
from ingest.parsed import Block, RawDocument
from ingest.parsers.package import local, parse_xml
from ingest.parsers.tables import markdown_table
from ingest.parsers.text import decode, parse_text

MAX_JSON_DEPTH = 50
_CUE = re.compile(r"^(?:\d+|(?:\d{1,2}:)?\d{1,2}:\d{2}[.,]\d{3}\s+-->.*|WEBVTT.*|NOTE\b.*|STYLE|REGION)$")
DELIMITERS = "\t;|,"
"""The comma last: where two part the rows equally well, it is the one inside numbers."""
SAMPLE_CHARACTERS = 20_000
_SEPARATOR_LINE = re.compile(r'\Asep=([^\r\n"])\r?\n')
"""What Excel writes and reads at the head of its own files."""
_SUBTITLE_TAG = re.compile(r"<[^<>]*>")
_XML_TITLES = {"title", "article-title", "head", "heading", "caption"}


def parse_csv(content: bytes) -> RawDocument:
    """Read separated values as one table whose first row is the header; titles above it are text."""
    text = decode(content)
    named = _SEPARATOR_LINE.match(text)
    if named:
        text = text[named.end() :]
    csv.field_size_limit(10 * 2**20)
    try:
        rows = _rows(text, named[1] if named else _delimiter(text[:SAMPLE_CHARACTERS]))
    except csv.Error as error:
        raise Unparseable(f"not readable as separated values: {error}") from error
    width = max((len(row) for row in rows), default=0)
    titles = list(takewhile(lambda row: row[0] and not any(row[1:]) and (len(row) == 1 or width > 2), rows))
    if len(titles) == len(rows):
        blocks = [Block("list", "\n".join(row[0] for row in rows))] if rows else []
        return RawDocument(blocks, "text/csv", "csv")
    blocks = [Block("text", row[0]) for row in titles]
    return RawDocument([*blocks, Block("table", markdown_table(rows[len(titles) :]))], "text/csv", "csv")


def _rows(text: str, delimiter: str | None) -> list[list[str]]:
    """Return the rows that are not empty; quotes hold a cell together and stand twice where one is meant."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or "\x1f", skipinitialspace=True)
    rows = [[" ".join(cell.split()) for cell in row] for row in lines]
    return [row for row in rows if any(row)]


def _delimiter(sample: str) -> str | None:
    """Return what parts most rows into equally many cells, `None` where nothing parts them.

    `csv.Sniffer` takes a decimal comma for it, and quotes that stand twice for none.
    """
    chosen, most = None, (0, 0)
    for delimiter in DELIMITERS:
        rows = _rows(sample, delimiter)
        widths = Counter(len(row) for row in rows if len(row) > 1)
        quoted = sample.count(f'{delimiter}"') + sample.count(f'"{delimiter}')
        fits = max(widths.values(), default=0), quoted
        prose = widths and len(rows[0]) == 1 and sample.count(delimiter) == sample.count(f"{delimiter} ")
        if fits > most and not prose:
            chosen, most = delimiter, fits
    return chosen


def parse_json(content: bytes) -> RawDocument:
    """Read JSON or JSON Lines as `key: value` lines, one block a record; what is no JSON is read as text."""
    text = decode(content)
    try:
        values = [json.loads(text)]
    except (ValueError, RecursionError):
        try:
            values = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            return parse_text(content)
    records = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    blocks = [Block("text", "\n".join(_flat(record, "", 0))) for record in records]
    return RawDocument(blocks, "application/json", "json")


def _flat(value: Any, name: str, depth: int) -> Iterator[str]:
    if depth > MAX_JSON_DEPTH:
        yield f"{name}: {json.dumps(value)[:1000]}"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _flat(inner, name, depth + 1)
    elif value is not None and value != "":
        yield f"{name}: {value}" if name else str(value)


def parse_subtitles(content: bytes) -> RawDocument:
    """Read the words of WebVTT or SubRip cues."""
    lines: list[str] = []
    for line in decode(content).splitlines():
        words = _SUBTITLE_TAG.sub(_speaker, line).strip()
        if words and not _CUE.match(words) and (not lines or lines[-1] != words):
            lines.append(words)
    return RawDocument([Block("text", "\n".join(lines))], "text/vtt", "subtitles")


def _speaker(tag: re.Match[str]) -> str:
    """Keep the name in a voice tag such as `<v Ana>`."""
    return f"{tag[0][3:-1]}: " if tag[0].startswith("<v ") else ""


def parse_any_xml(content: bytes) -> RawDocument:
    """Read XML of any vocabulary: each element with words of its own is a block, titles are headings."""
    root = parse_xml(content)
    blocks: list[Block] = []
    _elements(root, blocks, 0)
    return RawDocument(blocks, "application/xml", "xml")


_INLINE = {
    "b", "i", "em", "strong", "sub", "sup", "italic", "bold", "xref", "a", "ext-link", "span", "r", "t", "sc", "u",
    "br", "named-content", "styled-content", "ref", "hi", "font", "tt", "mml", "smarttag",
}  # fmt: skip


def _elements(node: Any, blocks: list[Block], depth: int) -> None:
    if local(node) in ("script", "style", "binData"):
        return
    inner = [child for child in node if isinstance(child.tag, str)]
    mixed = bool((node.text or "").strip()) or any((child.tail or "").strip() for child in node)
    leafish = all(local(child) in _INLINE for child in inner)
    if mixed or (leafish and inner) or not inner:
        text = " ".join("".join(_words(node)).split())
        if text:
            heading = local(node) in _XML_TITLES and len(text) < 200
            blocks.append(Block("heading" if heading else "text", text, level=min(max(depth, 1), 6) if heading else 0))
        return
    if local(node) in ("tr", "row", "Row"):
        cells = [" ".join("".join(_words(child)).split()) for child in inner]
        if any(cells):
            blocks.append(Block("text", " | ".join(cell for cell in cells if cell)))
        return
    for child in inner:
        _elements(child, blocks, depth + 1)


def _words(node: Any) -> Iterator[str]:
    if not isinstance(node.tag, str):
        return
    yield node.text or ""
    for child in node:
        separate = local(child) not in _INLINE
        yield " " if separate else ""
        yield from _words(child)
        yield (" " if separate else "") + (child.tail or "")
