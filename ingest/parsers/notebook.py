"""Jupyter notebooks: text cells as Markdown, code cells and what they printed as code; pictures are passed over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ingest.parsed import Block, RawDocument
from ingest.parsers.markdown import read_markdown
from ingest.parsers.text import decode, parse_text

MEDIA_TYPE = "application/x-ipynb+json"


def parse_notebook(content: bytes) -> RawDocument:
    """Read a notebook of format 3 or 4; what is none is read as text."""
    try:
        book = json.loads(decode(content))
        cells = book["cells"] if "cells" in book else [cell for sheet in book["worksheets"] for cell in sheet["cells"]]
        blocks = [block for cell in cells for block in _cell(cell)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return parse_text(content)
    return RawDocument(blocks, MEDIA_TYPE, "notebook")


def _cell(cell: dict[str, Any]) -> Iterator[Block]:
    source = _joined(cell.get("source", cell.get("input", "")))
    kind = cell.get("cell_type")
    if kind == "markdown":
        yield from read_markdown(source)
    elif kind == "heading":
        yield Block("heading", source, level=int(cell.get("level", 1)))
    elif source.strip():
        yield Block("code", source)
    for output in cell.get("outputs", ()):
        printed = _joined(output.get("text") or (output.get("data") or {}).get("text/plain") or "")
        if printed.strip():
            yield Block("code", printed)


def _joined(text: Any) -> str:
    return "".join(str(line) for line in text) if isinstance(text, list) else str(text)
