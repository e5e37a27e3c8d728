"""Presentations: one page a slide; titles as headings, tables, notes, comments, charts and diagrams."""

from __future__ import annotations

import re
from typing import Any

from ingest.parsed import Block, RawDocument
from ingest.parsers.lists import item_text
from ingest.parsers.objects import leave_embedded
from ingest.parsers.package import Package, attribute, local
from ingest.parsers.pictures import read_pictures
from ingest.parsers.request import ParseRequest
from ingest.parsers.tables import markdown_table

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_TITLES = {"title", "ctrTitle"}
_RELATED = ("/notesSlides/", "/comments/", "/charts/chart", "/diagrams/data")


def parse_pptx(request: ParseRequest) -> RawDocument:
    """Read a presentation."""
    raw = RawDocument([], MEDIA_TYPE, "pptx")
    with Package(request) as package:
        slides = _slides(package)
        raw.pages = len(slides)
        for number, name in enumerate(slides, start=1):
            before = len(raw.blocks)
            _shapes(package.xml(name), number, raw.blocks)
            for target in sorted(package.relations(name).values()):
                if any(kind in f"/{target}" for kind in _RELATED) and target in package.names:
                    _related(package.xml(target), target, number, raw.blocks)
            if len(raw.blocks) == before:
                raw.warnings.append(f"slide {number} holds no text")
        read_pictures(package, "ppt/media/", raw, request)
        leave_embedded(package, raw, request)
    return raw


def _slides(package: Package) -> list[str]:
    """Return the slides in the order they are shown."""
    root = package.xml("ppt/presentation.xml")
    targets = package.relations("ppt/presentation.xml")
    shown = []
    for element in root.iter() if root is not None else ():
        if local(element) == "sldId":
            name = next((targets.get(value) for key, value in element.attrib.items() if key.endswith("}id")), None)
            if name in package.names:
                shown.append(str(name))
    if shown:
        return shown
    found = [name for name in package.names if re.fullmatch(r"ppt/slides/slide\d+\.xml", name)]
    return sorted(found, key=lambda name: int(re.sub(r"\D", "", name)))


def _shapes(node: Any, page: int, blocks: list[Block]) -> None:
    for child in node:
        name = local(child)
        if name == "Fallback":
            continue
        if name == "sp":
            _shape(child, page, blocks)
        elif name == "tbl":
            rows = _rows(child)
            if any(any(row) for row in rows):
                blocks.append(Block("table", markdown_table(rows), page=page))
        else:
            _shapes(child, page, blocks)


def _rows(table: Any) -> list[list[str]]:
    """Return a table's cells; what spans several stands in each, so that every row reads alone."""
    rows: list[list[str]] = []
    for row in table:
        if local(row) != "tr":
            continue
        cells: list[str] = []
        for cell in row:
            if local(cell) != "tc":
                continue
            if attribute(cell, "hMerge") in ("1", "true") and cells:
                cells.append(cells[-1])
            elif attribute(cell, "vMerge") in ("1", "true") and rows and len(rows[-1]) > len(cells):
                cells.append(rows[-1][len(cells)])
            else:
                cells.append(_paragraphs(cell))
        rows.append(cells)
    return rows


def _shape(node: Any, page: int, blocks: list[Block]) -> None:
    kind = next((attribute(element, "type") for element in node.iter() if local(element) == "ph"), None)
    if kind in ("sldNum", "dt", "ftr"):
        return
    if kind in _TITLES:
        title = " ".join(_paragraphs(node).split())
        if title:
            blocks.append(Block("heading", title, level=1, page=page))
        return
    texts = [text for paragraph in node.iter() if local(paragraph) == "p" and (text := _text(paragraph)).strip()]
    for text in texts:
        blocks.append(Block("list", item_text(text) if len(texts) > 1 else text, page=page))


def _paragraphs(node: Any) -> str:
    return "\n".join(text for p in node.iter() if local(p) == "p" and (text := _text(p)).strip())


def _text(paragraph: Any) -> str:
    parts = []
    for element in paragraph.iter():
        name = local(element)
        if name == "t":
            parts.append(element.text or "")
        elif name == "br":
            parts.append("\n")
    return "".join(parts)


def _related(root: Any, name: str, page: int, blocks: list[Block]) -> None:
    if "/notesSlides/" in f"/{name}":
        _shapes(root, page, blocks)
        return
    wanted = ("t", "v") if "/charts/" in f"/{name}" else ("t", "text")
    words = dict.fromkeys(e.text.strip() for e in root.iter() if local(e) in wanted and e.text and e.text.strip())
    if words:
        blocks.append(Block("text", "\n".join(words), page=page))
