"""OpenDocument text, sheets and slides."""

from __future__ import annotations

from typing import Any

from core.errors import Encrypted, Unparseable
from ingest.parsed import Block, RawDocument
from ingest.parsers.lists import item_text
from ingest.parsers.package import Package, attribute, local
from ingest.parsers.pictures import read_pictures
from ingest.parsers.request import ParseRequest
from ingest.parsers.tables import markdown_table

_SKIPPED = {"automatic-styles", "font-face-decls", "scripts", "tracked-changes", "annotation-end", "sequence-decls"}
MAX_REPEATED = 100  # a cell repeated to the sheet's edge is a filler


def parse_odf(request: ParseRequest) -> RawDocument:
    """Read an OpenDocument file.

    Raises:
        Encrypted: it is protected by a password, which no library here can use.
    """
    with Package(request) as package:
        manifest = package.read("META-INF/manifest.xml") if "META-INF/manifest.xml" in package.names else b""
        if b"encryption-data" in manifest:
            raise Encrypted("the OpenDocument file needs a password")
        mime = package.read("mimetype", 200).decode("ascii", "replace").strip() if "mimetype" in package.names else ""
        root = package.xml("content.xml")
        if root is None:
            raise Unparseable("the OpenDocument file has no content")
        raw = RawDocument([], mime or "application/vnd.oasis.opendocument.text", "odf")
        reader = _Reader(raw)
        reader.read(root)
        styles = package.xml("styles.xml")
        for element in styles.iter() if styles is not None else ():
            if local(element) in ("header", "footer"):
                reader.read(element)
        if not raw.blocks and styles is not None:
            reader.read(styles)  # a presentation whose words are all on its master page
        raw.pages = reader.page or 0
        read_pictures(package, "Pictures/", raw, request)
    return raw


class _Reader:
    def __init__(self, raw: RawDocument) -> None:
        self._raw = raw
        self.page: int | None = None

    def read(self, node: Any) -> None:
        for child in node:
            name = local(child)
            if name == "page" or (name == "table" and "spreadsheet" in self._raw.media_type):
                self.page = (self.page or 0) + 1
            if name == "h":
                level = attribute(child, "outline-level") or "1"
                self._add("heading", _text(child), int(level) if level.isdigit() else 1)
            elif name == "p":
                self._add("text", _text(child))
                self._frames(child)
            elif name == "list-item":
                self._item(child)
            elif name == "table":
                self._table(child)
            elif name and name not in _SKIPPED:
                self.read(child)

    def _item(self, node: Any) -> None:
        marked = False
        for child in node:
            if local(child) in ("p", "h"):
                self._add("list", _text(child) if marked else item_text(_text(child)))
                marked = True
            else:
                self.read([child])

    def _frames(self, node: Any) -> None:
        """Read the text boxes and notes anchored in a paragraph."""
        for child in node:
            if local(child) in ("frame", "custom-shape", "text-box", "note-body"):
                self.read(child)
            elif local(child) == "note":
                self.read([body for body in child if local(body) == "note-body"])
            else:
                self._frames(child)

    def _table(self, node: Any) -> None:
        title = attribute(node, "name")
        if title and self.page is not None:
            self._add("heading", title, 1)
        rows: list[list[str]] = []
        for row in node.iter():
            if local(row) == "table-row":
                rows.append(_cells(row))
        rows = [row for row in rows if any(row)]
        if rows:
            self._add("table", markdown_table(rows))

    def _add(self, kind: Any, text: str, level: int = 0) -> None:
        if text.strip():
            self._raw.blocks.append(Block(kind, text, level=level, page=self.page))


def _cells(row: Any) -> list[str]:
    cells: list[str] = []
    for cell in row:
        if local(cell) in ("table-cell", "covered-table-cell"):
            text = " ".join(_text(p) for p in cell.iter() if local(p) in ("p", "h"))
            repeated = int(attribute(cell, "number-columns-repeated") or 1)
            cells += [" ".join(text.split())] * min(repeated, MAX_REPEATED)
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _text(node: Any) -> str:
    """Return a paragraph's own text; frames and notes in it are read apart."""
    parts = [node.text or ""]
    for child in node:
        name = local(child)
        if name == "s":
            parts.append(" " * min(int(attribute(child, "c") or 1), 100))
        elif name == "tab":
            parts.append(" ")
        elif name == "line-break":
            parts.append("\n")
        elif name and name not in ("frame", "custom-shape", "note", "text-box"):
            parts.append(_text(child))
        parts.append(child.tail or "")
    return "".join(parts)
