"""PDF with pypdfium2: printed lines with boxes, page by page; pages without text go to OCR."""

from __future__ import annotations

import ctypes
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.errors import Encrypted, Unparseable
from ingest.clean import repeated_edges
from ingest.parsed import Block, RawDocument, Rectangle
from ingest.parsers.pdf_heads import MAX_HEAD_LINES
from ingest.parsers.pdf_layout import page_blocks, typical_height
from ingest.parsers.printed import PrintedLine, figure_regions
from ingest.parsers.request import ParseRequest

GARBLED_SHARE = 0.3  # above it a page's characters have no meaning and OCR reads it better
OCR_SCALE = 200 / 72  # 200 dpi: tesseract gains little above, and time grows with the square
MIN_PAGE_CHARACTERS = 8  # a stamped page number over a scan is not the page's text


NOWHERE = (0.0, 0.0, 0.0, 0.0)

_LINE_END = re.compile("[\n\x02\ufffe]")
_LABEL = re.compile(r"(?:(?!\(?n/?[am]\)?\s)[^\W\d]\S*[ \t]+)+", re.IGNORECASE)
_WORD = re.compile(r"\S+")
_HEAVY = re.compile(b"bold|black|heavy", re.IGNORECASE)
_FONT_NAME = ctypes.create_string_buffer(96)
_FONT_FLAGS = ctypes.byref(ctypes.c_int())
_STRANGE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd\ue000-\uf8ff]")


@dataclass(slots=True)
class _Page:
    number: int
    lines: list[PrintedLine]
    needs_ocr: bool
    width: float
    height: float


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
        if "password" in str(error).lower() or "security" in str(error).lower():
            raise Encrypted("the PDF needs a password") from error
        raise Unparseable(f"not a readable PDF: {error}") from error
    try:
        return _read(pdf, request)
    finally:
        pdf.close()


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
    if silent and raw.blocks:
        raw.warnings.append(f"{len(silent)} of {len(pdf)} pages hold no text: {_ranges(silent)}")
    return raw


def _drop_edges(pages: list[_Page]) -> int:
    """Remove headers and footers before tables take them for their heads; return how many lines."""
    printed = {page.number: [((page.number, at), line.text) for at, line in enumerate(page.lines)] for page in pages}
    dropped = repeated_edges(printed, len(pages))
    if dropped:
        for page in pages:
            page.lines = [line for at, line in enumerate(page.lines) if (page.number, at) not in dropped]
    return len(dropped)


def _pages(pdf: Any) -> Iterator[_Page]:
    import pypdfium2

    form = _has_form(pdf)
    for index in range(len(pdf)):
        try:
            page = pdf[index]
        except pypdfium2.PdfiumError:
            yield _Page(index + 1, [], False, 0, 0)
            continue
        try:
            yield _page(page, index + 1, form)
        finally:
            page.close()


def _has_form(pdf: Any) -> bool:
    return bool(pdf.get_formtype())


def _page(page: Any, number: int, form: bool) -> _Page:
    import pypdfium2.raw as pdfium

    if form and pdfium.FPDFPage_GetAnnotCount(page.raw) > 0:
        pdfium.FPDFPage_Flatten(page.raw, 0)  # makes the values of form fields part of the page's text
    textpage = page.get_textpage()
    try:
        text, lines = _lines(textpage, _Frame.of(page))
    finally:
        textpage.close()
    objects = pdfium.FPDFPage_CountObjects(page.raw)
    stripped = text.strip()
    needs_ocr = objects > 0 and (len(stripped) < MIN_PAGE_CHARACTERS or _garbled(stripped))
    width, height = page.get_size()
    return _Page(number, lines, needs_ocr, width, height)


def _garbled(text: str) -> bool:
    sample = text[:4000]
    return len(_STRANGE.findall(sample)) > GARBLED_SHARE * len(sample)


@dataclass(slots=True)
class _Frame:
    """Turns user space into the displayed page: points, origin at the top left."""

    left: float
    bottom: float
    width: float
    height: float
    rotation: int

    @classmethod
    def of(cls, page: Any) -> _Frame:
        left, bottom, right, top = page.get_cropbox()
        return cls(left, bottom, right - left, top - bottom, page.get_rotation())

    def box(self, left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        """Return (x0, y0, x1, y1) of a rectangle given in user space."""
        x0, x1 = left - self.left, right - self.left
        y0, y1 = bottom - self.bottom, top - self.bottom
        if self.rotation == 90:
            return y0, x0, y1, x1
        if self.rotation == 180:
            return self.width - x1, y0, self.width - x0, y1
        if self.rotation == 270:
            return self.height - y1, self.width - x1, self.height - y0, self.width - x0
        return x0, self.height - y1, x1, self.height - y0


def _lines(textpage: Any, frame: _Frame) -> tuple[str, list[PrintedLine]]:
    """Return a page's text and its lines; only a line's first, middle and last characters are measured."""
    text = textpage.get_text_range()
    ruler = _Ruler(textpage, frame, exact=len(text) == textpage.count_chars())
    lines: list[PrintedLine] = []
    starts: list[int] = []
    position = 0
    for part in _LINE_END.split(text):
        start, position = position, position + len(part) + 1
        if position <= len(text) and text[position - 1] != "\n":
            part += "\x02"  # pdfium runs a hyphenated line on; the mark stands for its hyphen
        stripped = part.strip("\r \t\x02\ufffe")
        if not stripped:
            continue
        first = start + part.find(stripped[0])
        last = first + len(stripped) - 1
        box = ruler.box((first, (first + last) // 2, last) if last > first else (first,))
        lines.append(PrintedLine(_printed(part), box, ruler.bold(first)))
        starts.append(start)
    for region in figure_regions(lines):
        for number in range(max(0, region.start - MAX_HEAD_LINES), region.end):
            if not lines[number].words:
                lines[number].words = ruler.words(text, starts[number], whole_label=bool(lines[number].row))
    return text, lines


class _Ruler:
    """Measures the characters of a page's text."""

    def __init__(self, textpage: Any, frame: _Frame, exact: bool) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium, self._page, self._frame, self._exact = pdfium, textpage.raw, frame, exact
        self._rectangle = pdfium.FS_RECTF()
        self._reference = ctypes.byref(self._rectangle)

    def box(self, indices: tuple[int, ...]) -> Rectangle:
        """Return the rectangle around some characters, nothing where none has a place."""
        found, measure, reference = self._rectangle, self._pdfium.FPDFText_GetLooseCharBox, self._reference
        left = bottom = 1e9
        right = top = -1e9
        for index in indices:
            at = index if self._exact else self._pdfium.FPDFText_GetCharIndexFromTextIndex(self._page, index)
            if at < 0 or not measure(self._page, at, reference):
                continue
            left, right = min(left, found.left), max(right, found.right)
            bottom, top = min(bottom, found.bottom), max(top, found.top)
        if left > right:
            return NOWHERE
        x0, y0, x1, y1 = self._frame.box(left, bottom, right, top)
        return round(x0, 1), round(y0, 1), round(x1, 1), round(y1, 1)

    def bold(self, index: int) -> bool:
        """Tell whether a character's font is a heavy one."""
        length = self._pdfium.FPDFText_GetFontInfo(self._page, index, _FONT_NAME, 96, _FONT_FLAGS)
        return bool(_HEAVY.search(_FONT_NAME.value)) if 0 < length <= 96 else False

    def words(self, text: str, start: int, whole_label: bool) -> list[tuple[str, float, float]]:
        """Return the words of the line that begins at a position, with their left and right ends.

        With `whole_label` what comes before the first figure counts as one word: half the places are not asked for.
        """
        found = []
        end = _end_of_line(text, start)
        label = _LABEL.match(text, start, end) if whole_label else None
        if label is not None and (said := label[0].rstrip()):
            found.append((said, *self._ends(start + label[0].find(said[0]), start + len(said) - 1)))
            start = label.end()
        for word in _WORD.finditer(text, start, end):
            found.append((word[0], *self._ends(word.start(), word.end() - 1)))
        return found

    def _ends(self, first: int, last: int) -> tuple[float, float]:
        """Return where a run of characters begins and ends on the displayed page."""
        if self._frame.rotation or not self._exact:
            x0, _, x1, _ = self.box((first, last))
            return x0, x1
        found, measure = self._rectangle, self._pdfium.FPDFText_GetLooseCharBox
        if not measure(self._page, first, self._reference):
            return 0.0, 0.0
        left, right = found.left, found.right
        if last > first and measure(self._page, last, self._reference):
            right = found.right
        return left - self._frame.left, right - self._frame.left


def _end_of_line(text: str, start: int) -> int:
    found = _LINE_END.search(text, start)
    return found.start() if found else len(text)


def _printed(part: str) -> str:
    """Return a line as printed; pdfium writes U+0002 and U+FFFE for a hyphen at a line's end."""
    return part.replace("\x02", "-").replace("\ufffe", "-").strip("\r \t")


def _ocr(pdf: Any, pages: list[_Page], raw: RawDocument, request: ParseRequest) -> dict[int, list[Block]]:
    """Read the pages that need it while time is left; what was not read is a warning."""
    wanted = [page for page in pages if page.needs_ocr]
    if not wanted or not request.ocr:
        if wanted:
            raw.warnings.append(f"{len(wanted)} pages are images and OCR is off")
        return {}
    from ingest.parsers.ocr import read_image

    found: dict[int, list[Block]] = {}
    unread = []
    for page in wanted:
        if time.monotonic() > request.deadline:
            unread.append(page.number)
            continue
        scale = min(OCR_SCALE, 4000 / max(page.width, page.height, 1))
        image = pdf[page.number - 1].render(scale=scale).to_pil()
        lines, confidence = read_image(image, request, scale)
        if lines:
            found[page.number] = page_blocks(lines, page.number, typical_height(lines))
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
