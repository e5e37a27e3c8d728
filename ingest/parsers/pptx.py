"""Presentations: one page a slide; titles as headings, tables, notes, comments, charts and diagrams."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ingest.parsed import Block, RawDocument
from ingest.parsers.charts import chart_blocks
from ingest.parsers.docx_math import math_text
from ingest.parsers.lists import item_text
from ingest.parsers.objects import leave_embedded
from ingest.parsers.package import Package, attribute, local
from ingest.parsers.pictures import read_pictures
from ingest.parsers.properties import comment_of
from ingest.parsers.raised import raised
from ingest.parsers.request import ParseRequest
from ingest.parsers.tables import markdown_table

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_TITLES = {"title", "ctrTitle"}
_RELATED = ("/notesSlides/", "/comments/", "/charts/chart", "/diagrams/data")


def parse_pptx(request: ParseRequest) -> RawDocument:
    """Read a presentation."""
    raw = RawDocument([], MEDIA_TYPE, "pptx")
    with Package(request) as package:
        slides, authors = _slides(package), _authors(package)
        raw.pages = len(slides)
        for number, name in enumerate(slides, start=1):
            before = len(raw.blocks)
            _shapes(package.xml(name), number, raw.blocks)
            for target in sorted(package.relations(name).values()):
                if any(kind in f"/{target}" for kind in _RELATED) and target in package.names:
                    _related(package.xml(target), target, number, raw.blocks, authors)
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
    parts: list[str] = []
    _gather(paragraph, parts)
    return "".join(parts)


def _gather(node: Any, parts: list[str]) -> None:
    for child in node:
        name = local(child)
        if name == "t":
            parts.append(child.text or "")
        elif name == "br":
            parts.append("\n")
        elif name == "oMath":
            parts.append(math_text(child))
        elif name == "r" and _is_raised(child):
            parts.append(raised(_text(child)))
        elif name and name != "Fallback":
            _gather(child, parts)


def _is_raised(run: Any) -> bool:
    properties = next((child for child in run if local(child) == "rPr"), None)
    baseline = attribute(properties, "baseline") if properties is not None else None
    return bool(baseline) and not str(baseline).startswith(("-", "0"))


def _authors(package: Package) -> dict[str, str]:
    """Return id → name of those who commented."""
    found = {}
    for part in ("ppt/commentAuthors.xml", "ppt/authors.xml"):
        root = package.xml(part)
        for author in root if root is not None else ():
            found[attribute(author, "id") or ""] = attribute(author, "name") or ""
    return found


def _related(root: Any, name: str, page: int, blocks: list[Block], authors: dict[str, str]) -> None:
    if "/notesSlides/" in f"/{name}":
        _shapes(root, page, blocks)
    elif "/charts/" in f"/{name}":
        blocks += chart_blocks(root, page)
    elif "/comments/" in f"/{name}":
        blocks += [Block("text", remark, page=page) for remark in _comments(root, authors)]
    else:
        words = dict.fromkeys(text for e in root.iter() if local(e) == "t" and (text := (e.text or "").strip()))
        if words:
            blocks.append(Block("text", "\n".join(words), page=page))


def _comments(root: Any, authors: dict[str, str]) -> Iterator[str]:
    """Yield the comments on a slide, and the answers to them."""
    for element in root.iter():
        if local(element) in ("cm", "reply"):
            own = (e for child in element if local(child) in ("text", "txBody") for e in child.iter())
            text = " ".join(e.text for e in own if local(e) in ("text", "t") and e.text)
            if remark := comment_of(authors.get(attribute(element, "authorId") or ""), text):
                yield remark
