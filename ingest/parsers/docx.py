"""Word documents: paragraphs, headings by style or outline level, lists, tables, text boxes, notes and comments."""

from __future__ import annotations

from typing import Any

from core.errors import Unparseable
from ingest.parsed import Block, Kind, RawDocument
from ingest.parsers.docx_numbers import Numbers
from ingest.parsers.lists import BULLET, item_text
from ingest.parsers.objects import leave_embedded
from ingest.parsers.package import Package, attribute, local
from ingest.parsers.pictures import read_pictures
from ingest.parsers.properties import stated_title
from ingest.parsers.request import ParseRequest
from ingest.parsers.tables import markdown_table

_SKIPPED = {"Fallback", "del", "moveFrom", "instrText", "delText", "rPh", "fldData"}
_BREAKS = {"tab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": " "}
_EXTRAS = ("footnotes", "endnotes", "comments")
MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def parse_docx(request: ParseRequest) -> RawDocument:
    """Read a Word document.

    Raises:
        Unparseable: it has no document part.
    """
    raw = RawDocument([], MEDIA_TYPE, "docx")
    with Package(request) as package:
        main = next(
            (name for name in package.names if name.startswith("word/document") and name.endswith(".xml")), None
        )
        root = package.xml(main) if main else None
        if root is None:
            raise Unparseable("the Word file has no document part")
        styles = package.xml("word/styles.xml")
        reader = _Reader(_heading_styles(styles), Numbers(package.xml("word/numbering.xml"), styles))
        reader.read(root)
        for part in _EXTRAS:
            notes = package.xml(f"word/{part}.xml")
            if notes is not None:
                reader.read(notes)
        margins = sorted(name for name in package.names if name.startswith(("word/header", "word/footer")))
        edges = _Reader({}, Numbers(None, None))
        for name in margins:
            if name.endswith(".xml"):
                edges.read(package.xml(name))
        raw.blocks = _edges_first(edges.blocks) + reader.blocks
        raw.title = stated_title(package)
        if reader.hidden:
            raw.counts["hidden_text"] = [text[:200] for text in reader.hidden[:20]]
        read_pictures(package, "word/media/", raw, request)
        leave_embedded(package, raw, request)
    return raw


def _edges_first(blocks: list[Block]) -> list[Block]:
    """Return the headers' and footers' paragraphs once each, before the text: they often name the document."""
    seen: dict[str, Block] = {}
    for block in blocks:
        if any(map(str.isalpha, block.text)):
            seen.setdefault(block.text.strip(), Block("text", block.text))
    return list(seen.values())


def _heading_styles(styles: Any) -> dict[str, int]:
    """Return style id → heading level, following what a style is based on."""
    levels: dict[str, int] = {}
    based: dict[str, str] = {}
    for style in styles if styles is not None else ():
        if local(style) != "style":
            continue
        identifier = attribute(style, "styleId") or ""
        for child in style.iter():
            kind, value = local(child), attribute(child, "val") or ""
            if kind == "name" and value.lower().startswith("heading ") and value[8:].strip().isdigit():
                levels[identifier] = int(value[8:])
            elif kind == "name" and value.lower() == "title":
                levels[identifier] = 1
            elif kind == "outlineLvl" and value.isdigit() and int(value) < 9:
                levels.setdefault(identifier, int(value) + 1)
            elif kind == "basedOn":
                based[identifier] = value
    for identifier, parent in based.items():
        if identifier not in levels and parent in levels:
            levels[identifier] = levels[parent]
    return levels


class _Reader:
    """Walks a part and gathers blocks in order."""

    def __init__(self, styles: dict[str, int], numbers: Numbers) -> None:
        self.blocks: list[Block] = []
        self.hidden: list[str] = []
        self._styles, self._numbers = styles, numbers

    def read(self, node: Any) -> None:
        """Gather what lies below an element."""
        for child in node:
            name = local(child)
            if name == "p":
                self._paragraph(child)
            elif name == "tbl":
                self._table(child)
            elif name and name not in _SKIPPED:
                self.read(child)

    def _paragraph(self, node: Any) -> None:
        boxes: list[Any] = []
        text = self._text(node, boxes)
        if text.strip():
            properties = next((child for child in node if local(child) == "pPr"), ())
            kind, level = self._kind(properties)
            label = self._numbers.label(properties)
            if label and kind != "heading":
                kind, text = "list", item_text(text, label)
            elif label not in ("", BULLET):
                text = f"{label} {text.lstrip()}"
            self.blocks.append(Block(kind, text, level=level))
        for box in boxes:
            self.read(box)

    def _text(self, node: Any, boxes: list[Any]) -> str:
        parts: list[str] = []
        for child in node:
            name = local(child)
            if name == "t":
                parts.append(child.text or "")
            elif name in _BREAKS:
                parts.append(_BREAKS[name])
            elif name == "txbxContent":
                boxes.append(child)
            elif name == "r" and _vanished(child):
                self.hidden.append(self._text(child, boxes))
            elif name and name not in _SKIPPED and not name.endswith("Pr"):
                parts.append(self._text(child, boxes))
        return "".join(parts)

    def _kind(self, properties: Any) -> tuple[Kind, int]:
        listed = False
        for child in properties:
            name, value = local(child), attribute(child, "val") or ""
            if name == "pStyle" and value in self._styles:
                return "heading", self._styles[value]
            if name == "outlineLvl" and value.isdigit() and int(value) < 9:
                return "heading", int(value) + 1
            listed = listed or name == "numPr"
        return ("list", 0) if listed else ("text", 0)

    def _cell_text(self, cell: Any) -> str:
        inner = _Reader(self._styles, self._numbers)
        inner.read(cell)
        return " ".join(" ".join(block.text.split()) for block in inner.blocks)

    def _table(self, node: Any) -> None:
        rows: list[list[str]] = []
        for row in _children(node, "tr"):
            cells: list[str] = []
            for cell in _children(row, "tc"):
                width, continues = _merged(cell)
                above = rows[-1][len(cells)] if continues and rows and len(rows[-1]) > len(cells) else ""
                cells += [above or self._cell_text(cell)] * width
            rows.append(cells)
        if any(any(cells) for cells in rows):
            single = max(len(cells) for cells in rows) == 1
            text = "\n\n".join(cells[0] for cells in rows if cells and cells[0]) if single else markdown_table(rows)
            self.blocks.append(Block("text" if single else "table", text))


def _merged(cell: Any) -> tuple[int, bool]:
    """Return how many columns a cell spans and whether it continues the cell above."""
    width, continues = 1, False
    for child in next((child for child in cell if local(child) == "tcPr"), ()):
        value = attribute(child, "val")
        if local(child) == "gridSpan" and value and value.isdigit():
            width = max(1, min(int(value), 64))
        elif local(child) == "vMerge":
            continues = value != "restart"
    return width, continues


def _children(node: Any, wanted: str) -> list[Any]:
    """Return the children of a kind, also those wrapped in content controls."""
    found = []
    for child in node:
        name = local(child)
        if name == wanted:
            found.append(child)
        elif name in ("sdt", "sdtContent", "customXml", "ins", "smartTag"):
            found += _children(child, wanted)
    return found


def _vanished(run: Any) -> bool:
    for child in run:
        if local(child) == "rPr":
            return any(local(p) == "vanish" and attribute(p, "val") not in ("0", "false") for p in child)
    return False
