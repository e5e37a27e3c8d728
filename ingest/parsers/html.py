"""HTML with lxml: content in order, tables as Markdown; navigation, footers, scripts and hidden text left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

from ingest.parsed import Block, Kind, RawDocument
from ingest.parsers.encodings import guess_encoding
from ingest.parsers.lists import BULLET, item_text
from ingest.parsers.tables import Cell, markdown_table, spread_cells
from ingest.parsers.text import decode

_DROP = {
    "script", "style", "noscript", "template", "nav", "svg", "canvas", "iframe", "object", "embed", "button", "select",
    "input", "textarea", "head", "video", "audio", "map", "dialog", "datalist",
}  # fmt: skip
_BLOCKS = {
    "p", "div", "section", "article", "main", "body", "html", "dl", "dt", "dd", "blockquote", "figure",
    "figcaption", "address", "details", "summary", "form", "fieldset", "hr", "center", "header", "footer", "aside",
    "legend", "caption", "tr", "td", "th", "tbody", "thead", "tfoot", "title",
}  # fmt: skip
_BOILERPLATE_ROLES = {"navigation", "banner", "contentinfo", "search", "menu", "menubar", "complementary"}
_BOILERPLATE_NAMES = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|menu|breadcrumbs?|cookie|cookies|sidebar|skip-link|skiplink|site-footer|"
    r"site-header|social|share|pagination|toolbar|usa-banner)(?:$|[\s_-])",
    re.IGNORECASE,
)
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|em|rem|%)?\s*(?:;|$)|opacity\s*:\s*0(?:\.0+)?\s*(?:;|$)|"
    r"(?:left|top|text-indent)\s*:\s*-\d{3,}",
    re.IGNORECASE,
)
_COLOUR = re.compile(r"(?:^|;)\s*color\s*:\s*(#fff(?:fff)?|white|rgba?\(\s*255\s*,\s*255\s*,\s*255)", re.IGNORECASE)
_BACKGROUND = re.compile(r"background", re.IGNORECASE)
_BREAK = "\x0b"  # stands for <br> while other white space collapses
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


def parse_html(content: bytes) -> RawDocument:
    """Read an HTML page."""
    from lxml import html as lxml_html

    content = _without_wide_characters(content)
    parser = lxml_html.HTMLParser(encoding=_encoding(content), no_network=True, remove_comments=True, remove_pis=True)
    root = lxml_html.document_fromstring(content or b"<html/>", parser=parser)
    title = root.findtext(".//title")
    walker = _Walker(root)
    walker.walk(root)
    walker.flush()
    blocks = walker.blocks
    return RawDocument(blocks, "text/html", "html", title=_page_title(blocks, title), counts=walker.counts())


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
    """Return the encoding for lxml, `None` to let it read the page's own declaration.

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
    """Walks a tree in order, gathering inline text until a block element ends it."""

    def __init__(self, root: Any) -> None:
        self.blocks: list[Block] = []
        self.hidden: list[str] = []
        self.boilerplate = 0
        self._inline: list[str] = []
        self._kind: Kind = "text"
        self._level = 0
        self._counts: list[Iterator[int] | None] = []
        """Of each list around: its numbers, nothing where it has bullets."""
        self._mark = ""
        """What stands before the next text, the first of its item."""
        self._keep_named = not _named_boilerplate_is_small(root)

    def counts(self) -> dict[str, Any]:
        """Return what was left out."""
        found: dict[str, Any] = {"boilerplate_elements": self.boilerplate}
        if self.hidden:
            found["hidden_text"] = [text[:200] for text in self.hidden[:20]]
        return found

    def walk(self, node: Any) -> None:
        """Visit an element and its tail."""
        tag = node.tag if isinstance(node.tag, str) else ""
        if tag and not self._left_out(node, tag):
            self._element(node, tag)
        if node.tail:
            self._inline.append(node.tail)

    def _left_out(self, node: Any, tag: str) -> bool:
        if tag in _DROP:
            self.boilerplate += tag == "nav"
            if tag in ("select", "button"):
                self._inline.append(" ")
            return True
        if _is_hidden(node):
            text = " ".join("".join(node.itertext()).split())
            if text:
                self.hidden.append(text)
            return True
        if _is_boilerplate(node, tag, not self._keep_named):
            self.boilerplate += 1
            return True
        return False

    def _element(self, node: Any, tag: str) -> None:
        if tag in _HEADINGS:
            self._block(node, "heading", _HEADINGS[tag])
        elif tag == "table":
            self._table(node)
        elif tag == "pre":
            self.flush()
            self.blocks.append(Block("code", "".join(node.itertext())))
        elif tag == "li":
            self._item(node)
        elif tag in ("ul", "ol"):
            self._list(node, tag)
        elif tag == "br":
            self._inline.append(_BREAK)
        elif tag == "img":
            self._inline.append(f" {node.get('alt') or ''} ")
        elif tag in _BLOCKS:
            self.flush()
            self._children(node)
            self.flush()
        else:
            self._children(node)

    def _block(self, node: Any, kind: Kind, level: int) -> None:
        self.flush()
        before = (self._kind, self._level)
        self._kind, self._level = kind, level
        self._children(node)
        self.flush()
        self._kind, self._level = before

    def _list(self, node: Any, tag: str) -> None:
        self.flush()
        self._counts.append(count(_span(node, "start")) if tag == "ol" else None)
        self._children(node)
        self.flush()
        self._counts.pop()

    def _item(self, node: Any) -> None:
        self.flush()
        counted = self._counts[-1] if self._counts else None
        self._mark = BULLET if counted is None else f"{next(counted)}."
        self._block(node, "list", 0)
        self._mark = ""

    def _children(self, node: Any) -> None:
        if node.text:
            self._inline.append(node.text)
        for child in node:
            self.walk(child)

    def _table(self, node: Any) -> None:
        self.flush()
        rows = [row for row in spread_cells([_cells(row) for row in node.iter("tr")]) if any(row)]
        nested = node.find(".//table") is not None
        if nested or len(rows) < 2 or max(len([cell for cell in row if cell]) for row in rows) < 2:
            self._children(node)  # a table used for layout
            self.flush()
            return
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


def _cells(row: Any) -> list[Cell]:
    return [
        Cell(" ".join(" ".join(_visible_text(cell)).split()), _span(cell, "colspan"), _span(cell, "rowspan"))
        for cell in row
        if cell.tag in ("td", "th")
    ]


def _span(cell: Any, name: str) -> int:
    value = (cell.get(name) or "").strip()
    return int(value) if value.isdigit() and len(value) < 4 else 1


def _visible_text(node: Any) -> list[str]:
    if not isinstance(node.tag, str) or node.tag in _DROP or _is_hidden(node):
        return []
    parts = [node.text or ""]
    for child in node:
        parts += _visible_text(child)
        parts.append(child.tail or "")
    return parts if node.tag not in ("p", "div", "br", "li") else [" ", *parts, " "]


def _is_hidden(node: Any) -> bool:
    if node.get("hidden") is not None or node.tag == "input":
        return True
    style = node.get("style")
    if not style:
        return False
    return bool(_HIDDEN.search(style)) or (bool(_COLOUR.search(style)) and not _BACKGROUND.search(style))


def _is_boilerplate(node: Any, tag: str, by_name: bool) -> bool:
    if tag in ("header", "footer", "aside"):
        inside = any(parent.tag in ("main", "article") for parent in node.iterancestors())
        return not inside and node.find(".//h1") is None
    if (node.get("role") or "").lower() in _BOILERPLATE_ROLES:
        return True
    return by_name and _named(node)


def _named(node: Any) -> bool:
    if node.tag not in ("div", "ul", "ol", "section", "p", "a", "table"):
        return False
    return bool(_BOILERPLATE_NAMES.search(f"{node.get('class') or ''} {node.get('id') or ''}"))


def _named_boilerplate_is_small(root: Any) -> bool:
    """Tell whether leaving out elements named like navigation loses less than half of the words."""
    total = sum(len(text) for text in root.itertext())
    named = sum(
        len("".join(node.itertext())) for node in root.iter("div", "ul", "ol", "section", "table") if _named(node)
    )
    return named < total / 2
