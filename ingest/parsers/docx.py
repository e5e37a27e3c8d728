"""Word documents: paragraphs, headings by style or outline level, lists, tables, text boxes, equations and notes."""

from __future__ import annotations

from typing import Any

from core.errors import Unparseable
from ingest.parsed import Block, Kind, RawDocument
from ingest.parsers.docx_math import math_text
from ingest.parsers.docx_notes import REFERENCES, Notes
from ingest.parsers.docx_numbers import Numbers
from ingest.parsers.docx_symbols import spelled, symbol
from ingest.parsers.lists import BULLET, item_text
from ingest.parsers.objects import leave_embedded
from ingest.parsers.package import Package, attribute, local
from ingest.parsers.pictures import read_pictures
from ingest.parsers.properties import comment_of, stated_title
from ingest.parsers.raised import raised
from ingest.parsers.request import ParseRequest
from ingest.parsers.tables import markdown_table

_SKIPPED = {"Fallback", "del", "moveFrom", "instrText", "delText", "rPh", "fldData"}
_BREAKS = {"tab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": " "}
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
        _hold_notes(package, reader)
        reader.read(root)
        reader.blocks += reader.notes.rest()
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


def _hold_notes(package: Package, reader: _Reader) -> None:
    """Read the notes and comments before the text that refers to them."""
    for part in REFERENCES.values():
        root = package.xml(f"word/{part}.xml")
        for note in root if root is not None else ():
            inner = reader.within(Numbers(None, None))
            inner.read([note] if local(note) == "p" else note)
            blocks = inner.blocks
            if part == "comments":
                remark = comment_of(attribute(note, "author"), " ".join(block.text for block in blocks))
                blocks = [Block("text", remark)] if remark else []
            reader.notes.hold(part, attribute(note, "id") or "", blocks)


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
        self.notes = Notes()
        self._styles, self._numbers, self._inner = styles, numbers, False

    def within(self, numbers: Numbers | None = None) -> _Reader:
        """Return a reader for what stands in a cell or a note; what it refers to is put behind that."""
        inner = _Reader(self._styles, numbers or self._numbers)
        inner.hidden, inner.notes, inner._inner = self.hidden, self.notes, True
        return inner

    def read(self, node: Any) -> None:
        """Gather what lies below an element."""
        for child in node:
            name = local(child)
            if name == "p":
                self._paragraph(child)
            elif name == "tbl":
                self._table(child)
                self._end()
            elif name and name not in _SKIPPED:
                self.read(child)

    def _end(self) -> None:
        """Put the notes behind what refers to them."""
        if not self._inner:
            self.blocks += self.notes.due()

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
        self._end()

    def _text(self, node: Any, boxes: list[Any]) -> str:
        parts: list[str] = []
        self._gather(node, boxes, parts)
        return "".join(parts)

    def _gather(self, node: Any, boxes: list[Any], parts: list[str]) -> None:
        for child in node:
            name = local(child)
            if name == "t":
                parts.append(child.text or "")
            elif name in _BREAKS:
                parts.append(_BREAKS[name])
            elif name == "sym":
                parts.append(symbol(attribute(child, "font") or "", attribute(child, "char") or ""))
            elif name == "oMath":
                parts.append(_parted(math_text(child), parts))
            elif name == "txbxContent":
                boxes.append(child)
            elif name in REFERENCES:
                self.notes.refer(REFERENCES[name], attribute(child, "id") or "")
            elif name == "r":
                self._run(child, boxes, parts)
            elif name and name not in _SKIPPED and not name.endswith("Pr"):
                self._gather(child, boxes, parts)

    def _run(self, run: Any, boxes: list[Any], parts: list[str]) -> None:
        text, look = self._text(run, boxes), _Look(run)
        if look.hidden:
            self.hidden.append(text)
        elif text:
            text = spelled(text, look.font)
            parts.append(raised(text) if look.raised else text)

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
        inner = self.within()
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
            if self._inner and not single:  # a table in a cell: one line, as Markdown knows no other
                text, single = "; ".join(" / ".join(filter(None, cells)) for cells in rows if any(cells)), True
            else:
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


class _Look:
    """How a run is shown, as far as that changes what it says."""

    def __init__(self, run: Any) -> None:
        self.hidden, self.raised, self.font = False, False, ""
        for child in next((child for child in run if local(child) == "rPr"), ()):
            name, value = local(child), attribute(child, "val")
            if name == "vanish":
                self.hidden = value not in ("0", "false")
            elif name == "vertAlign":
                self.raised = value == "superscript"
            elif name == "rFonts":
                self.font = attribute(child, "ascii") or attribute(child, "hAnsi") or ""


def _parted(equation: str, parts: list[str]) -> str:
    """Return an equation, with a space before a fraction that follows a figure: 2 3/4 is not 23/4."""
    before = next((part for part in reversed(parts) if part), "")
    return f" {equation}" if "/" in equation and before[-1:].isdecimal() and equation[:1].isdecimal() else equation
