"""Data as text: CSV tables, JSON, XML, subtitles."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from core.errors import Unparseable
from ingest.parsed import Block, RawDocument
from ingest.parsers.package import local, parse_xml
from ingest.parsers.tables import markdown_table
from ingest.parsers.text import decode, parse_text

MAX_JSON_DEPTH = 50
_CUE = re.compile(r"^(?:\d+|(?:\d{1,2}:)?\d{1,2}:\d{2}[.,]\d{3}\s+-->.*|WEBVTT.*|NOTE\b.*|STYLE|REGION)$")
_SEPARATOR_LINE = re.compile(r"\Asep=.\r?\n")
"""What Excel writes and reads at the head of its own files."""
_SUBTITLE_TAG = re.compile(r"<[^<>]*>")
_XML_TITLES = {"title", "article-title", "head", "heading", "caption"}


def parse_csv(content: bytes) -> RawDocument:
    """Read separated values as one table whose first row is the header."""
    text = _SEPARATOR_LINE.sub("", decode(content), count=1)
    csv.field_size_limit(10 * 2**20)
    try:
        dialect: Any = csv.Sniffer().sniff(text[:20_000], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel_tab if "\t" in text[:20_000] else csv.excel
    try:
        rows = [[" ".join(cell.split()) for cell in row] for row in csv.reader(io.StringIO(text), dialect)]
    except csv.Error as error:
        raise Unparseable(f"not readable as separated values: {error}") from error
    rows = [row for row in rows if any(row)]
    if not rows:
        return RawDocument([], "text/csv", "csv")
    wide = max(len(row) for row in rows) > 1
    block = Block("table", markdown_table(rows)) if wide else Block("list", "\n".join(row[0] for row in rows))
    return RawDocument([block], "text/csv", "csv")


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
