"""Data as text: CSV tables, JSON, XML, subtitles."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise, takewhile
from typing import Any

from core.errors import Unparseable
from ingest.parsed import Block, RawDocument
from ingest.parsers.package import local, parse_xml
from ingest.parsers.tables import markdown_table
from ingest.parsers.text import decode, parse_text

MAX_JSON_DEPTH = 50
_TIMES = re.compile(r"(?:\d{1,2}:)?\d{1,2}:\d{2}[.,]\d{3}\s+-->")
_CUE = re.compile(r"^(?:(?:\d{1,2}:)?\d{1,2}:\d{2}[.,]\d{3}\s+-->.*|WEBVTT.*|NOTE\b.*|STYLE|REGION)$")
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
    before = ""
    for line, after in pairwise([*decode(content).splitlines(), ""]):
        words = _SUBTITLE_TAG.sub(_speaker, line).strip()
        names_a_cue = _TIMES.match(after.strip()) and (not before or words.isdigit())
        before = words
        if words and not names_a_cue and not _CUE.match(words) and (not lines or lines[-1] != words):
            lines.append(words)
    return RawDocument([Block("text", "\n".join(lines))], "text/vtt", "subtitles")


def _speaker(tag: re.Match[str]) -> str:
    """Keep the name in a voice tag such as `<v Ana>`."""
    return f"{tag[0][3:-1]}: " if tag[0].startswith("<v ") else ""


_INLINE = {
    "b", "i", "em", "strong", "sub", "sup", "italic", "bold", "xref", "a", "ext-link", "span", "r", "t", "sc", "u",
    "br", "named-content", "styled-content", "ref", "hi", "font", "tt", "mml", "smarttag",
}  # fmt: skip
_LOOK = {"style", "class", "lang", "width", "height", "align"}
"""What is about the look of an element, not about what it stands for."""
_PROSE = 0.1
"""Elements of words with marks among them, to elements with attributes: in prose these say how to print it."""


def parse_any_xml(content: bytes) -> RawDocument:
    """Read XML of any vocabulary: each element with words of its own is a block, titles are headings.

    Of data, not of prose, attributes are read too, as `element name: value`.
    """
    root = parse_xml(content)
    nodes = [node for node in root.iter() if isinstance(node.tag, str)]
    mixed = sum(1 for node in nodes if len(node) and _has_own_words(node))
    reader = _XmlReader(attributes=mixed < _PROSE * sum(1 for node in nodes if node.attrib))
    reader.read(root, 0)
    return RawDocument(reader.blocks, "application/xml", "xml")


class _XmlReader:
    """Collects blocks from elements."""

    def __init__(self, attributes: bool) -> None:
        self.blocks: list[Block] = []
        self._attributes = attributes

    def read(self, node: Any, depth: int) -> None:
        """Take an element with all in it."""
        if local(node) in ("script", "style", "binData"):
            return
        inner = [child for child in node if isinstance(child.tag, str)]
        said = self._said(node)
        if _has_own_words(node) or all(local(child) in _INLINE for child in inner):
            text = " ".join("".join(_words(node)).split())
            heading = local(node) in _XML_TITLES and 0 < len(text) < 200
            text = f"{text} ({said})" if text and said else text or (said and f"{local(node)} {said}")
            self._add(text, min(max(depth, 1), 6) if heading else 0)
        elif local(node) in ("tr", "row", "Row"):
            cells = [said, *(" ".join("".join(_words(child)).split()) for child in inner)]
            self._add(" | ".join(cell for cell in cells if cell))
        else:
            self._add(said and f"{local(node)} {said}")
            for child in inner:
                self.read(child, depth + 1)

    def _add(self, text: str, level: int = 0) -> None:
        if text:
            self.blocks.append(Block("heading" if level else "text", text, level=level))

    def _said(self, node: Any) -> str:
        """Return an element's attributes; those of another namespace are for programs."""
        if not self._attributes:
            return ""
        named = [(name, " ".join(value.split())) for name, value in node.attrib.items()]
        return ", ".join(f"{name}: {value}" for name, value in named if value and name[0] != "{" and name not in _LOOK)


def _has_own_words(node: Any) -> bool:
    return bool((node.text or "").strip()) or any((child.tail or "").strip() for child in node)


def _words(node: Any) -> Iterator[str]:
    if not isinstance(node.tag, str):
        return
    yield node.text or ""
    for child in node:
        separate = local(child) not in _INLINE
        yield " " if separate else ""
        yield from _words(child)
        yield (" " if separate else "") + (child.tail or "")
