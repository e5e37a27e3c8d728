"""PDF with pypdfium2: printed lines with boxes, page by page; pages without text go to OCR."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from core.errors import Encrypted, Unparseable
from ingest.clean import Place, repeated_edges
from ingest.parsed import Block, RawDocument
from ingest.parsers.pdf_forms import Overlay, drawn, prepare_forms
from ingest.parsers.pdf_heads import heads_table
from ingest.parsers.pdf_hidden import part_hidden
from ingest.parsers.pdf_layout import page_blocks, typical_height
from ingest.parsers.pdf_lines import Frame, printed_lines
from ingest.parsers.printed import PrintedLine
from ingest.parsers.request import ParseRequest

GARBLED_SHARE = 0.3  # above it a page's characters have no meaning and OCR reads it better
OCR_SCALE = 200 / 72  # 200 dpi: tesseract gains little above, and time grows with the square
MIN_PAGE_CHARACTERS = 8  # a stamped page number over a scan is not the page's text


_STRANGE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd\ue000-\uf8ff]")


@dataclass(slots=True)
class _Page:
    number: int
    lines: list[PrintedLine]
    needs_ocr: bool
    width: float
    height: float
    hidden: list[str] = field(default_factory=list)
    """Lines that nobody who looks at the page sees."""


def parse_pdf(request: ParseRequest) -> RawDocument:
    """Read a PDF.

    Raises:
        Encrypted: it needs a password that was not given or is wrong.
        Unparseable: pdfium cannot open it.
    """
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(str(request.path), password=request.password)
    except pypdfium2.PdfiumError as error:
        if "password" not in str(error).lower() and "security" not in str(error).lower():
            raise Unparseable(f"not a readable PDF: {error}") from error
        if request.password is None or (opened := _without_password(request)) is None:
            raise Encrypted("the PDF needs a password") from error
        pdf = pypdfium2.PdfDocument(opened)
    try:
        return _read(pdf, request)
    finally:
        pdf.close()


def _without_password(request: ParseRequest) -> bytes | None:
    """Return a PDF deciphered by pypdf, which takes passwords that pdfium does not; `None` where it is wrong."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(request.path)
        if not reader.decrypt(request.password or ""):
            return None
        written = io.BytesIO()
        PdfWriter(clone_from=reader).write(written)
    except (PyPdfError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return written.getvalue()


def _read(pdf: Any, request: ParseRequest) -> RawDocument:
    pages = list(_pages(pdf))
    raw = RawDocument([], "application/pdf", "pdf", pages=len(pdf), title=_stated_title(pdf))
    raw.counts["repeated_lines_dropped"] = _drop_edges(pages)
    size = typical_height([line for page in pages for line in page.lines])
    by_ocr = _ocr(pdf, pages, raw, request)
    silent = []
    for page in pages:
        blocks = by_ocr.get(page.number) or page_blocks(page.lines, page.number, size)
        raw.blocks += blocks
        if not blocks:
            silent.append(page.number)
    hidden = [text for page in pages for text in page.hidden]
    if hidden:
        raw.counts["hidden_text"] = [text[:200] for text in hidden[:20]]
    if silent and raw.blocks:
        raw.warnings.append(f"{len(silent)} of {len(pdf)} pages hold no text: {_ranges(silent)}")
    return raw


def _drop_edges(pages: list[_Page]) -> int:
    """Remove headers and footers before tables take them for their heads; return how many lines.

    What repeats right above the rows of a table that goes on over pages is its head.
    """
    printed = {page.number: [((page.number, at), line.text) for at, line in enumerate(page.lines)] for page in pages}
    dropped = repeated_edges(printed, len(pages))
    if dropped:
        dropped -= {(page.number, at) for page in pages for at in _heads_of_tables(page, dropped)}
        for page in pages:
            page.lines = [line for at, line in enumerate(page.lines) if (page.number, at) not in dropped]
    return len(dropped)


def _heads_of_tables(page: _Page, dropped: set[Place]) -> list[int]:
    """Return which lines of a page name the columns of the rows below, from the last line of a head to its first."""
    found: list[int] = []
    below = first = -1
    for at in range(len(page.lines) - 1, -1, -1):
        if (page.number, at) not in dropped:
            below = first = at
        elif first >= 0 and heads_table(page.lines, at, below, first):
            found.append(at)
            below = at
    return found


def _pages(pdf: Any) -> Iterator[_Page]:
    import pypdfium2

    prepare_forms(pdf)
    for index in range(len(pdf)):
        try:
            page = pdf[index]
        except pypdfium2.PdfiumError:
            yield _Page(index + 1, [], False, 0, 0)
            continue
        try:
            over = Overlay.of(page)
            if over is not None:
                page = drawn(pdf, page, index)
            yield _page(page, index + 1, over)
        finally:
            page.close()


def _page(page: Any, number: int, over: Overlay | None) -> _Page:
    import pypdfium2.raw as pdfium

    textpage = page.get_textpage()
    try:
        text, lines = printed_lines(textpage, Frame.of(page), over)
        shown, hidden = part_hidden(page, lines)
    finally:
        textpage.close()
    # A scanned form is a scan, whatever was typed over it.
    objects = pdfium.FPDFPage_CountObjects(page.raw) if over is None else over.objects
    stripped = text.strip()
    needs_ocr = objects > 0 and (len(stripped) < MIN_PAGE_CHARACTERS or _garbled(stripped))
    width, height = page.get_size()
    return _Page(number, shown, needs_ocr, width, height, hidden)


def _garbled(text: str) -> bool:
    sample = text[:4000]
    return len(_STRANGE.findall(sample)) > GARBLED_SHARE * len(sample)


def _ocr(pdf: Any, pages: list[_Page], raw: RawDocument, request: ParseRequest) -> dict[int, list[Block]]:
    """Read the pages that need it while time is left; what was not read is a warning."""
    wanted = [page for page in pages if page.needs_ocr]
    if not wanted or not request.ocr:
        if wanted:
            raw.warnings.append(f"{len(wanted)} pages are images and OCR is off")
        return {}
    from ingest.parsers.ocr import read_image

    request.expect_scans(len(wanted))
    found: dict[int, list[Block]] = {}
    unread = []
    for page in wanted:
        if request.seconds_left() <= 0:
            unread.append(page.number)
            continue
        scale = min(OCR_SCALE, 4000 / max(page.width, page.height, 1))
        image = pdf[page.number - 1].render(scale=scale).to_pil()
        blocks, confidence = read_image(image, request, scale, page.number)
        if blocks:
            found[page.number] = blocks
            raw.ocr_pages[page.number] = confidence
    if unread:
        raw.warnings.append(f"{len(unread)} scanned pages were not read within the time limit: {_ranges(unread)}")
    return found


def _stated_title(pdf: Any) -> str | None:
    title = (pdf.get_metadata_value("Title") or "").strip()
    # Word processors leave file names and placeholders there; a real title has words.
    if " " not in title or title.lower().startswith(("microsoft word", "untitled", "powerpoint presentation")):
        return None
    return title


def _ranges(numbers: list[int]) -> str:
    """Return page numbers compactly, e.g. `1-3, 7`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    text = ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts[:12])
    return text + (" …" if len(parts) > 12 else "")
