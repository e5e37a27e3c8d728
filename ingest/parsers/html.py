"""HTML with lxml: content in order, tables as Markdown; navigation, footers, scripts and hidden text left out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from ingest.parsed import Block, Kind, RawDocument
from ingest.parsers.encodings import guess_encoding
from ingest.parsers.html_left_out import UNREAD, Furniture, is_hidden
from ingest.parsers.lists import BULLET, item_text
from ingest.parsers.raised import raised
from ingest.parsers.tables import Cell, markdown_table, spread_cells
from ingest.parsers.text import decode

_BLOCKS = {
    "p", "div", "section", "article", "main", "body", "html", "dl", "dt", "dd", "blockquote", "figure",
    "figcaption", "address", "details", "summary", "form", "fieldset", "hr", "center", "header", "footer", "aside",
    "legend", "caption", "tr", "td", "th", "tbody", "thead", "tfoot", "title",
}  # fmt: skip
MAX_DEPTH = 2048  # of libxml2
_TOO_DEEP = "Excessive depth"
_BREAK = "\x0b"  # stands for <br> while other white space collapses
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_SPACED = {*_BLOCKS, *_HEADINGS, "br", "li", "ul", "ol", "pre", "select", "button"}  # what parts words in a cell


def parse_html(content: bytes, *, of_book: bool = False) -> RawDocument:
    """Read an HTML page; of the pages of a book all is text but its navigation."""
    from lxml import html as lxml_html

    content = _without_wide_characters(content)
    encoding = _encoding(content)
    if encoding not in (None, "utf-8"):  # libxml2 goes by other names than Python, and lacks some encodings
        content, encoding = content.decode(encoding, errors="replace").encode("utf-8"), "utf-8"
    parser = lxml_html.HTMLParser(
        encoding=encoding, no_network=True, remove_comments=True, remove_pis=True, huge_tree=True
    )
    root = lxml_html.document_fromstring(content or b"<html/>", parser=parser)
    title = root.findtext(".//title")
    walker = _Walker(Furniture.nothing() if of_book else Furniture.of(root))
    walker.walk(root)
    raw = RawDocument(walker.blocks, "text/html", "html", title=_page_title(walker.blocks, title))
    raw.counts, raw.warnings = walker.counts(), walker.warnings()
    if any(_TOO_DEEP in error.message for error in parser.error_log):
        raw.warnings.append(f"elements nested more than {MAX_DEPTH} deep were left out")
    return raw


def _page_title(blocks: list[Block], stated: str | None) -> str | None:
    """Prefer a lone outermost heading to the `title` element, which often carries the site's name."""
    outermost = [block.text for block in blocks if block.kind == "heading" and block.level == 1]
    return " ".join(outermost[0].split()) if len(outermost) == 1 else stated


def _without_wide_characters(content: bytes) -> bytes:
    """Return a page in UTF-16 or UTF-32 as UTF-8 with a mark: libxml2 need not know the wide encodings."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or content[:2048].count(0) > min(len(content), 2048) // 4:
        return b"\xef\xbb\xbf" + decode(content).lstrip("\ufeff").encode("utf-8", errors="replace")
    return content


def _encoding(content: bytes) -> str | None:
    """Return the encoding, `None` to let lxml read the page's own declaration.

    What is UTF-8 beyond ASCII is UTF-8 whatever the page says: chance makes no such bytes, and mail is recoded.
    """
    try:
        content.decode("utf-8")
        is_utf8 = True
    except UnicodeDecodeError:
        is_utf8 = False
    if is_utf8 and not content.isascii():
        return "utf-8"
    head = content[:2048]
    if b"charset" in head.lower() or head.lstrip().startswith(b"<?xml"):
        return None
    return "utf-8" if is_utf8 else guess_encoding(content)


class _Walker:
    """Walks a tree in order, gathering inline text until a block element ends it.

    A step is a generator that yields the elements to visit before it goes on: recursion ends where pages nest deep.
    """

    def __init__(self, furniture: Furniture) -> None:
        self.blocks: list[Block] = []
        self._furniture = furniture
        self._hidden: list[str] = []
        self._inline: list[str] = []
        self._kind: Kind = "text"
        self._level = 0
        self._counts: list[Iterator[int] | None] = []
        """Of each list around: its numbers, nothing where it has bullets."""
        self._mark = ""
        """What stands before the next text, the first of its item."""

    def counts(self) -> dict[str, Any]:
        """Return what was left out."""
        found: dict[str, Any] = {"boilerplate_elements": self._furniture.count}
        if self._hidden:
            found["hidden_text"] = [text[:200] for text in self._hidden[:20]]
        if self._furniture.left_out:
            found["boilerplate_text"] = [text[:200] for text in self._furniture.left_out[:20]]
        return found

    def warnings(self) -> list[str]:
        """Return what a reader should know of what was left out."""
        return self._furniture.warnings()

    def walk(self, root: Any) -> None:
        """Visit an element and all inside it."""
        steps = [self._visit(root)]
        while steps:
            inner = next(steps[-1], None)
            if inner is None:
                steps.pop()
            else:
                steps.append(self._visit(inner))
        self.flush()

    def _visit(self, node: Any) -> Iterator[Any]:
        """Visit an element and its tail."""
        tag = node.tag if isinstance(node.tag, str) else ""
        if tag and not self._left_out(node, tag):
            yield from self._element(node, tag)
        if node.tail:
            self._inline.append(node.tail)

    def _left_out(self, node: Any, tag: str) -> bool:
        if tag in UNREAD:
            self._furniture.count += tag == "nav"
            if tag in ("select", "button"):
                self._inline.append(" ")
            return True
        if is_hidden(node):
            _note_hidden(node, self._hidden)
            return True
        return self._furniture.holds(node, tag)

    def _element(self, node: Any, tag: str) -> Iterator[Any]:
        if tag in _HEADINGS:
            yield from self._block(node, "heading", _HEADINGS[tag])
        elif tag == "table":
            yield from self._table(node)
        elif tag == "pre":
            self.flush()
            self.blocks.append(Block("code", "".join(node.itertext())))
        elif tag == "li":
            yield from self._item(node)
        elif tag in ("ul", "ol"):
            yield from self._list(node, tag)
        elif tag == "br":
            self._inline.append(_BREAK)
        elif tag == "img":
            self._inline.append(f" {node.get('alt') or ''} ")
        elif _is_raised(node):
            begun = len(self._inline)
            yield from self._children(node)
            self._inline[begun:] = [_superscript("".join(self._inline[begun:]))]
        elif tag in _BLOCKS:
            self.flush()
            yield from self._children(node)
            self.flush()
        else:
            yield from self._children(node)

    def _block(self, node: Any, kind: Kind, level: int) -> Iterator[Any]:
        self.flush()
        before = (self._kind, self._level)
        self._kind, self._level = kind, level
        yield from self._children(node)
        self.flush()
        self._kind, self._level = before

    def _list(self, node: Any, tag: str) -> Iterator[Any]:
        self.flush()
        self._counts.append(count(_span(node, "start")) if tag == "ol" else None)
        yield from self._children(node)
        self.flush()
        self._counts.pop()

    def _item(self, node: Any) -> Iterator[Any]:
        self.flush()
        counted = self._counts[-1] if self._counts else None
        self._mark = BULLET if counted is None else f"{next(counted)}."
        yield from self._block(node, "list", 0)
        self._mark = ""

    def _children(self, node: Any) -> Iterator[Any]:
        if node.text:
            self._inline.append(node.text)
        yield from node

    def _table(self, node: Any) -> Iterator[Any]:
        self.flush()
        hidden: list[str] = []
        nested = node.find(".//table") is not None
        rows = [] if nested else spread_cells([_cells(row, hidden) for row in node.iter("tr")])
        rows = [row for row in rows if any(row)]
        if len(rows) < 2 or max(len([cell for cell in row if cell]) for row in rows) < 2:
            yield from self._children(node)  # a table used for layout
            self.flush()
            return
        self._hidden += hidden
        caption = node.findtext("caption")
        if caption and caption.strip():
            self.blocks.append(Block("text", " ".join(caption.split())))
        self.blocks.append(Block("table", markdown_table(rows)))

    def flush(self) -> None:
        """End the block being gathered."""
        lines = (" ".join(line.split()) for line in "".join(self._inline).split(_BREAK))
        text = "\n".join(line for line in lines if line)
        if text:
            marked = self._kind == "list" and self._mark
            self.blocks.append(Block(self._kind, item_text(text, self._mark) if marked else text, level=self._level))
            self._mark = ""
        self._inline = []


def _cells(row: Any, hidden: list[str]) -> list[Cell]:
    """Return the cells of a row; what they hide is noted."""
    return [
        Cell(" ".join(_visible_text(cell, hidden).split()), _span(cell, "colspan"), _span(cell, "rowspan"))
        for cell in row
        if cell.tag in ("td", "th")
    ]


def _span(cell: Any, name: str) -> int:
    value = (cell.get(name) or "").strip()
    return int(value) if value.isdigit() and len(value) < 4 else 1


def _visible_text(cell: Any, hidden: list[str]) -> str:
    from lxml.etree import iterwalk

    parts: list[str] = []
    begun: list[int] = []
    """Where the superscripts around begin."""
    walk = iterwalk(cell, events=("start", "end"))
    for event, node in walk:
        if node.tag in _SPACED:
            parts.append(" ")
        if _is_raised(node):
            if event == "start":
                begun.append(len(parts))
            else:
                at = begun.pop()
                parts[at:] = [_superscript("".join(parts[at:]))]
        if event == "end":
            parts.append(node.tail or "" if node is not cell else "")
        elif not isinstance(node.tag, str) or node.tag in UNREAD:
            walk.skip_subtree()
        elif is_hidden(node):
            _note_hidden(node, hidden)
            walk.skip_subtree()
        else:
            parts.append(node.text or "")
    return "".join(parts)


def _is_raised(node: Any) -> bool:
    """Tell whether an element is a superscript; a book's marks of notes often are by its style sheet only."""
    return bool(node.tag == "sup" or node.get("role") == "doc-noteref" or node.get("epub:type") == "noteref")


def _superscript(text: str) -> str:
    """Return a mark or power as raised digits, so that the figure before it stays what it is; brackets part it too."""
    return text if text.lstrip()[:1] in ("(", "[") else raised(text)


def _note_hidden(node: Any, hidden: list[str]) -> None:
    text = " ".join("".join(node.itertext()).split())
    if text:
        hidden.append(text)
