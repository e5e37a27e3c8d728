"""EPUB books: the pages of the spine in order, each read as HTML."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from core.errors import Unparseable
from ingest.parsed import RawDocument
from ingest.parsers.html import parse_html
from ingest.parsers.package import Package, attribute, local
from ingest.parsers.request import ParseRequest


def parse_epub(request: ParseRequest) -> RawDocument:
    """Read a book.

    Raises:
        Unparseable: it has no reading order.
    """
    raw = RawDocument([], "application/epub+zip", "epub")
    with Package(request) as package:
        container = package.xml("META-INF/container.xml")
        elements = container.iter() if container is not None else ()
        paths = [attribute(e, "full-path") for e in elements if local(e) == "rootfile"]
        book = package.xml(paths[0]) if paths and paths[0] else None
        if book is None:
            raise Unparseable("the book has no package document")
        folder = posixpath.dirname(str(paths[0]))
        items = {e.get("id"): e.get("href", "") for e in book.iter() if local(e) == "item"}
        raw.title = next((e.text for e in book.iter() if local(e) == "title" and e.text), None)
        for reference in (e.get("idref") for e in book.iter() if local(e) == "itemref"):
            name = posixpath.normpath(posixpath.join(folder, unquote(items.get(reference, ""))))
            if name in package.names:
                _add(raw, parse_html(package.read(name), of_book=True))
    return raw


def _add(raw: RawDocument, page: RawDocument) -> None:
    """Add a page of a book to it, with what was left out."""
    raw.blocks += page.blocks
    raw.warnings += [warning for warning in page.warnings if warning not in raw.warnings]
    if hidden := page.counts.get("hidden_text"):
        raw.counts["hidden_text"] = [*raw.counts.get("hidden_text", []), *hidden][:20]
