"""One plain ladder from a file's family to its parser; each parser is imported only when it is needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.errors import EmptyDocument, Unparseable, UnsupportedFormat
from ingest.parsed import RawDocument
from ingest.parsers.detect import detect
from ingest.parsers.other import FAMILIES, second_reading
from ingest.parsers.request import ParseRequest

_NAMES = {
    "rar": "RAR archives",
    "executable": "programs",
    "media": "sound and video",
    "sqlite": "databases",
    "onenote": "OneNote sections",
    "visio": "Visio drawings",
    "iwork": "Pages, Numbers and Keynote files",
    "binary": "binary data of an unknown kind",
    "ole": "OLE files of this kind",
    "wordperfect": "WordPerfect files",
}


def parse(request: ParseRequest) -> RawDocument:
    """Read a file with the parser of its family.

    Raises:
        EmptyDocument: the file has no bytes.
        UnsupportedFormat: no parser reads what it holds.
    """
    family = detect(request.path, request.name)
    if family == "empty":
        raise EmptyDocument("the file has no bytes")
    if family == "encrypted_ooxml" or (family in ("doc", "xls", "ppt") and request.password is not None):
        from ingest.parsers.ole import decrypt_office

        return parse(replace(request, path=decrypt_office(request), password=None))
    try:
        raw = _first_reading(family, request)
    except Unparseable as error:
        return second_reading(request, family, error)
    if not raw.blocks and not raw.attachments and family in FAMILIES:
        return second_reading(request, family, EmptyDocument("no text could be read from the file"))
    return raw


def _first_reading(family: str, request: ParseRequest) -> RawDocument:
    for read in (_text, _office, _container):
        raw = read(family, request)
        if raw is not None:
            return raw
    raise UnsupportedFormat(f"{_NAMES.get(family, family)} cannot be read")


def _text(family: str, request: ParseRequest) -> RawDocument | None:
    if family == "markdown":
        from ingest.parsers.markdown import parse_markdown

        return parse_markdown(request.read())
    if family == "html":
        from ingest.parsers.html import parse_html

        return parse_html(request.read())
    if family in ("csv", "json", "jsonl", "subtitles", "xml"):
        from ingest.parsers import data

        readers = {"csv": data.parse_csv, "subtitles": data.parse_subtitles, "xml": data.parse_any_xml}
        return readers.get(family, data.parse_json)(request.read())
    if family in ("calendar", "card"):
        from ingest.parsers.calendar_card import parse_calendar, parse_cards

        return (parse_calendar if family == "calendar" else parse_cards)(request.read(), Path(request.name).stem)
    if family in ("markup", "asciidoc"):
        from ingest.parsers.markup import parse_markup

        return parse_markup(request.read(), Path(request.name).suffix.lower())
    if family == "notebook":
        from ingest.parsers.notebook import parse_notebook

        return parse_notebook(request.read())
    if family in ("text", "code"):
        from ingest.parsers.text import parse_code, parse_text

        return parse_text(request.read()) if family == "text" else parse_code(request.read())
    return None


def _office(family: str, request: ParseRequest) -> RawDocument | None:
    if family == "pdf":
        from ingest.parsers.pdf import parse_pdf

        return parse_pdf(request)
    if family == "docx":
        from ingest.parsers.docx import parse_docx

        return parse_docx(request)
    if family == "pptx":
        from ingest.parsers.pptx import parse_pptx

        return parse_pptx(request)
    if family in ("xlsx", "xls"):
        from ingest.parsers import sheets

        return sheets.parse_xlsx(request) if family == "xlsx" else sheets.parse_xls(request)
    if family in ("doc", "ppt"):
        from ingest.parsers import ole

        return ole.parse_doc(request) if family == "doc" else ole.parse_ppt(request)
    if family == "rtf":
        from ingest.parsers.rtf import parse_rtf

        return parse_rtf(request)
    return _open_formats(family, request)


def _open_formats(family: str, request: ParseRequest) -> RawDocument | None:
    if family == "odf":
        from ingest.parsers.odf import parse_odf

        return parse_odf(request)
    if family == "epub":
        from ingest.parsers.epub import parse_epub

        return parse_epub(request)
    if family == "image":
        from ingest.parsers.ocr import parse_image

        return parse_image(request)
    return None


def _container(family: str, request: ParseRequest) -> RawDocument | None:
    if family == "ole_wrapper":
        from ingest.parsers.objects import parse_wrapper

        return parse_wrapper(request)
    if family in ("eml", "msg", "mbox"):
        from ingest.parsers import mail

        readers = {"eml": mail.parse_eml, "msg": mail.parse_msg, "mbox": mail.parse_mbox}
        return readers[family](request)
    if family in ("zip", "tar", "gzip", "bzip2", "xz", "7z"):
        from ingest.parsers import archives

        if family == "7z":
            return archives.refuse_7z(request)
        if family == "zip":
            return archives.parse_zip(request)
        return archives.parse_tar(request) if family == "tar" else archives.parse_compressed(request, family)
    return None
