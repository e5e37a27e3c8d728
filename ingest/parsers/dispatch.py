"""One plain ladder from a file's family to its parser; each parser is imported only when it is needed."""

from __future__ import annotations

from core.errors import EmptyDocument, UnsupportedFormat
from ingest.parsed import RawDocument
from ingest.parsers.detect import detect
from ingest.parsers.request import ParseRequest

_NAMES = {
    "7z": "7z archives", "rar": "RAR archives", "executable": "programs", "media": "sound and video",
    "sqlite": "databases",
    "onenote": "OneNote sections", "visio": "Visio drawings", "iwork": "Pages, Numbers and Keynote files",
    "binary": "binary data of an unknown kind", "ole": "this kind of OLE file",
}  # fmt: skip


def parse(request: ParseRequest) -> RawDocument:
    """Read a file with the parser of its family.

    Raises:
        EmptyDocument: the file has no bytes.
        UnsupportedFormat: no parser reads what it holds.
    """
    family = detect(request.path, request.name)
    if family == "empty":
        raise EmptyDocument("the file has no bytes")
    raw = _plain(family, request) or _packed(family, request)
    if raw is None:
        raise UnsupportedFormat(f"{_NAMES.get(family, family)} cannot be read")
    return raw


def _plain(family: str, request: ParseRequest) -> RawDocument | None:
    if family == "pdf":
        from ingest.parsers.pdf import parse_pdf

        return parse_pdf(request)
    if family == "markdown":
        from ingest.parsers.markdown import parse_markdown

        return parse_markdown(request.read())
    if family == "html":
        from ingest.parsers.html import parse_html

        return parse_html(request.read())
    if family in ("text", "json", "subtitles", "asciidoc", "csv", "jsonl"):
        from ingest.parsers.text import parse_text

        return parse_text(request.read())
    if family == "image":
        from ingest.parsers.ocr import parse_image

        return parse_image(request)
    return None


def _packed(family: str, request: ParseRequest) -> RawDocument | None:
    if family in ("docx", "pptx", "xlsx", "odf", "epub", "rtf", "markup", "msg", "eml", "xml", "xls"):
        from ingest.parsers.other import parse_with_unstructured

        return parse_with_unstructured(request, family)
    return None
