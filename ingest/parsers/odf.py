"""OpenDocument text, sheets and slides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import Encrypted, Unparseable
from ingest.parsed import Block, RawDocument
from ingest.parsers.lists import item_text
from ingest.parsers.package import Package, attribute, local
from ingest.parsers.pictures import read_pictures
from ingest.parsers.properties import comment_of, stated_title
from ingest.parsers.raised import raised
from ingest.parsers.request import ParseRequest
from ingest.parsers.sheet_tables import Merge, lined, sheet_blocks, spread_merged
from ingest.parsers.tables import markdown_table

_SKIPPED = {"automatic-styles", "font-face-decls", "scripts", "tracked-changes", "annotation-end", "sequence-decls"}
_APART = {"frame", "custom-shape", "note", "text-box", "annotation"}
"""What is anchored in a paragraph and no part of its words."""
_ROW_GROUPS = {"table-header-rows", "table-rows", "table-row-group"}
MAX_REPEATED = 100
"""A cell or a row repeated more often, to the sheet's edge, is a filler."""
MAX_REPEATED_CHARACTERS = 2_000_000
"""Of all the rows repeated in a document."""


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
        styles = package.xml("styles.xml")
        reader = _Reader(raw, _Looks(root, styles))
        if reader.is_sheet:
            raw.title = stated_title(package) or Path(request.name).stem
        reader.read(root)
        for element in styles.iter() if styles is not None else ():
            if local(element) in ("header", "footer"):
                reader.read(element)
        if not raw.blocks and styles is not None:
            reader.read(styles)  # a presentation whose words are all on its master page
        raw.pages = reader.page or 0
        if reader.hidden:
            raw.counts["hidden_text"] = [text[:200] for text in reader.hidden[:20]]
        read_pictures(package, "Pictures/", raw, request)
    return raw


class _Looks:
    """Which styles of characters and paragraphs change what their words say."""

    def __init__(self, *roots: Any) -> None:
        self.hidden: set[str] = set()
        self.raised: set[str] = set()
        for style in (one for root in roots if root is not None for one in root.iter() if local(one) == "style"):
            name = attribute(style, "name") or ""
            for properties in style:
                if local(properties) == "text-properties":
                    if attribute(properties, "display") == "none":
                        self.hidden.add(name)
                    if (attribute(properties, "text-position") or "").startswith("super"):
                        self.raised.add(name)


class _Reader:
    def __init__(self, raw: RawDocument, looks: _Looks) -> None:
        self._raw, self._looks = raw, looks
        self.page: int | None = None
        self.hidden: list[str] = []
        self.is_sheet = "spreadsheet" in raw.media_type
        self._repeatable = MAX_REPEATED_CHARACTERS

    def read(self, node: Any) -> None:
        for child in node:
            name = local(child)
            if name == "page" or (name == "table" and self.is_sheet):
                self.page = (self.page or 0) + 1
            if name == "h":
                level = attribute(child, "outline-level") or "1"
                self._add("heading", self._text(child), int(level) if level.isdecimal() else 1)
                self._anchored(child)
            elif name == "p":
                self._add("text", self._text(child))
                self._anchored(child)
            elif name == "list-item":
                self._item(child)
            elif name == "table":
                self._table(child)
            elif name == "annotation":
                self._comment(child)
            elif name == "section" and attribute(child, "display") == "none":
                self.hidden += filter(str.strip, map(self._text, _paragraphs(child)))
            elif name and name not in _SKIPPED:
                self.read(child)

    def _item(self, node: Any) -> None:
        marked = False
        for child in node:
            if local(child) in ("p", "h"):
                text = self._text(child)
                self._add("list", text if marked else item_text(text))
                self._anchored(child)
                marked = True
            else:
                self.read([child])

    def _anchored(self, node: Any) -> None:
        """Read the text boxes, notes and comments anchored in a paragraph."""
        for child in node:
            if local(child) in ("frame", "custom-shape", "text-box", "note-body", "annotation"):
                self.read([child] if local(child) == "annotation" else child)
            elif local(child) == "note":
                self.read([body for body in child if local(body) == "note-body"])
            else:
                self._anchored(child)

    def _comment(self, node: Any) -> None:
        author = next((child.text for child in node if local(child) == "creator"), None)
        self._add("text", comment_of(author, " ".join(map(self._text, _paragraphs(node)))))

    def _table(self, node: Any) -> None:
        title = attribute(node, "name")
        if title and self.page is not None:
            self._add("heading", title, 1)
        rows: dict[int, list[str]] = {}
        merges: list[Merge] = []
        number = 0
        for row in _rows(node):
            cells = self._cells(row, number, merges)
            repeated = _count(row, "number-rows-repeated")
            for copy in range(self._copies(cells, repeated) if cells else 0):
                rows[number + copy] = list(cells)
            number += repeated
        spread_merged(rows, merges)
        if self.is_sheet:
            self._raw.blocks += sheet_blocks(lined(rows), self.page)
        elif rows:
            self._add("table", markdown_table(list(rows.values())))
        for row in _rows(node):
            self._beside(row)

    def _copies(self, cells: list[str], repeated: int) -> int:
        """Return how often a row is read."""
        copies = min(repeated, MAX_REPEATED)
        more = (copies - 1) * (len(cells) + sum(map(len, cells)))
        if more > self._repeatable:
            return 1
        self._repeatable -= more
        return copies

    def _cells(self, row: Any, number: int, merges: list[Merge]) -> list[str]:
        cells: list[str] = []
        for cell in row:
            if local(cell) in ("table-cell", "covered-table-cell"):
                text = " ".join(" ".join(map(self._text, _paragraphs(cell))).split())
                down, right = _count(cell, "number-rows-spanned"), _count(cell, "number-columns-spanned")
                if text and (down > 1 or right > 1):
                    merges.append(Merge(number, len(cells), number + down - 1, len(cells) + right - 1))
                cells += [text] * min(_count(cell, "number-columns-repeated"), MAX_REPEATED)
        while cells and not cells[-1]:
            cells.pop()
        return cells

    def _beside(self, node: Any) -> None:
        """Read the notes and comments in a table's row, behind the table."""
        for child in node:
            if local(child) in ("note", "annotation"):
                self._anchored([child])
            else:
                self._beside(child)

    def _text(self, node: Any) -> str:
        """Return a paragraph's own text; what is anchored in it is read apart."""
        parts: list[str] = []
        self._gather(node, parts)
        return "".join(parts)

    def _gather(self, node: Any, parts: list[str]) -> None:
        style, at = attribute(node, "style-name") or "", len(parts)
        parts.append(node.text or "")
        for child in node:
            name = local(child)
            if name == "s":
                parts.append(" " * min(_count(child, "c"), 100))
            elif name == "tab":
                parts.append(" ")
            elif name == "line-break":
                parts.append("\n")
            elif name and name not in _APART:
                self._gather(child, parts)
            parts.append(child.tail or "")
        if style in self._looks.hidden or attribute(node, "is-hidden") == "true":
            hidden = "".join(parts[at:])
            self.hidden += [hidden] if hidden.strip() else []
            del parts[at:]
        elif style in self._looks.raised:
            parts[at:] = [raised("".join(parts[at:]))]

    def _add(self, kind: Any, text: str, level: int = 0) -> None:
        if text.strip():
            self._raw.blocks.append(Block(kind, text, level=level, page=self.page))


def _rows(table: Any) -> Iterator[Any]:
    """Yield a table's rows, without those of tables in its cells."""
    for child in table:
        if local(child) == "table-row":
            yield child
        elif local(child) in _ROW_GROUPS:
            yield from _rows(child)


def _paragraphs(node: Any) -> Iterator[Any]:
    """Yield the paragraphs in a cell, a section or a comment; notes and comments in it are read apart."""
    for child in node:
        if local(child) in ("p", "h"):
            yield child
        if local(child) not in ("note", "annotation"):
            yield from _paragraphs(child)


def _count(element: Any, name: str) -> int:
    """Return a number of cells, rows or spaces that an attribute gives, one where it gives none."""
    value = attribute(element, name) or ""
    return int(value) if value.isdecimal() and 0 < len(value) < 10 else 1
