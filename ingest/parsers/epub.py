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
                raw.blocks += parse_html(package.read(name)).blocks
    return raw
