"""What was filled in or written over a PDF's page: values of form fields, typed notes, stamps.

Their text is no part of the page until they are drawn into it, and then it stands behind all other text. Each value is
put back to the label beside it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ingest.parsed import Rectangle
from ingest.parsers.printed import PrintedLine

_PUSH_BUTTON = 1 << 16  # of a field's flags (`Ff`); its caption is no value
_NEAR = 2.0  # points that a text may reach over its field, a label over its value
_ROW_SHARE = 0.5  # of the lower one's height that two texts of one row share
_ABOVE = 2.5  # line heights to the label above its field


@dataclass(slots=True)
class Overlay:
    """What is written over a page: its places and what the page held before they were drawn into it."""

    text: str
    objects: int
    places: list[Rectangle]
    """In user space: left, bottom, right, top."""
    buttons: list[Rectangle]

    @classmethod
    def of(cls, page: Any) -> Overlay | None:
        """Return what is written over a page, None where nothing is."""
        import pypdfium2.raw as pdfium

        places: list[Rectangle] = []
        buttons: list[Rectangle] = []
        for number in range(pdfium.FPDFPage_GetAnnotCount(page.raw)):
            annotation = pdfium.FPDFPage_GetAnnot(page.raw, number)
            if not annotation:
                continue
            try:
                kind = pdfium.FPDFAnnot_GetSubtype(annotation)
                if kind in (pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_FREETEXT, pdfium.FPDF_ANNOT_STAMP):
                    (buttons if _is_push_button(annotation) else places).append(_place(annotation))
            finally:
                pdfium.FPDFPage_CloseAnnot(annotation)
        if not places:
            return None
        textpage = page.get_textpage()
        try:
            return cls(textpage.get_text_range(), pdfium.FPDFPage_CountObjects(page.raw), places, buttons)
        finally:
            textpage.close()


def prepare_forms(pdf: Any) -> None:
    """Let pdfium draw the values of forms that leave it to the viewer; once a document, before its pages are read."""
    import pypdfium2.raw as pdfium

    if pdf.get_formtype() == pdfium.FORMTYPE_ACRO_FORM:
        pdf.init_forms()


def drawn(pdf: Any, page: Any, index: int) -> Any:
    """Draw what is written over a page into it; return the page loaded anew, which alone shows it."""
    import pypdfium2.raw as pdfium

    pdfium.FPDFPage_Flatten(page.raw, pdfium.FLAT_NORMALDISPLAY)
    page.close()
    return pdf[index]


def _is_push_button(annotation: Any) -> bool:
    import pypdfium2.raw as pdfium

    flags = ctypes.c_float()
    if not pdfium.FPDFAnnot_GetNumberValue(annotation, b"Ff", flags):
        return False
    return bool(int(flags.value) & _PUSH_BUTTON)


def _place(annotation: Any) -> Rectangle:
    import pypdfium2.raw as pdfium

    found = pdfium.FS_RECTF()
    pdfium.FPDFAnnot_GetRect(annotation, found)
    return found.left, found.bottom, found.right, found.top


def values(
    words: Iterator[tuple[str, Rectangle]], places: list[Rectangle], buttons: list[Rectangle]
) -> list[list[PrintedLine]]:
    """Gather drawn words, given with their boxes on the page, into the printed lines of each field."""
    found: dict[int, list[PrintedLine]] = {}
    for word, box in words:
        if _holder(box, buttons) >= 0:
            continue
        lines = found.setdefault(_holder(box, places), [])
        if lines and _one_row(lines[-1].box, box) and box[0] >= lines[-1].box[0]:
            _extend(lines[-1], word, box)
        else:
            lines.append(PrintedLine(word, box, words=[(word, box[0], box[2])]))
    return list(found.values())


def _holder(box: Rectangle, places: list[Rectangle]) -> int:
    """Return the number of the place that a word's middle lies in, -1 where it lies in none."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    for number, (left, top, right, bottom) in enumerate(places):
        if left - _NEAR <= x <= right + _NEAR and top - _NEAR <= y <= bottom + _NEAR:
            return number
    return -1


def _extend(line: PrintedLine, word: str, box: Rectangle) -> None:
    line.text = f"{line.text} {word}"
    line.box = around(line.box, box)
    line.words.append((word, box[0], box[2]))


def put_in_place(
    lines: list[PrintedLine], written: list[list[PrintedLine]], measure: Callable[[PrintedLine], None]
) -> None:
    """Put each value behind the label beside it, or else below the label above it, or else last.

    Args:
        lines: the page's own lines; changed in place.
        written: the lines of each value.
        measure: fills in the words of one of the page's own lines.
    """
    for value in written:
        first, rest = value[0], value[1:]
        beside = _beside(lines, first)
        if beside is not None:
            if not beside.words:
                measure(beside)
            _join(beside, first)
            at = lines.index(beside)
        else:
            above = _above(lines, first)
            at = len(lines) if above is None else lines.index(above) + 1
            lines.insert(at, first)
        lines[at + 1 : at + 1] = rest


def _join(line: PrintedLine, value: PrintedLine) -> None:
    """Put a value among the words of a line, where it stands on the page; behind them where it covers some."""
    left, right = value.box[0], value.box[2]
    covers = any(word[1] < right - _NEAR and word[2] > left + _NEAR for word in line.words)
    line.words = [*line.words, *value.words]
    if not covers:
        line.words.sort(key=lambda word: word[1])
    line.text = " ".join(word for word, _, _ in line.words)
    line.box = around(line.box, value.box)
    line.row = None


def _beside(lines: list[PrintedLine], value: PrintedLine) -> PrintedLine | None:
    """Return the label of the same row: the nearest one at the left; of a tick the nearest on either side."""
    row = [line for line in lines if line.height > 0 and _one_row(line.box, value.box)]
    left = [line for line in row if line.box[0] < value.box[0]]
    if len(value.text) == 1 and not value.text.isdigit():
        left = row
    return min(left, key=lambda line: _gap(line.box, value.box), default=None)


def _gap(one: Rectangle, other: Rectangle) -> float:
    """Return how far apart two boxes stand from left to right, 0 where one is above the other."""
    return max(other[0] - one[2], one[0] - other[2], 0.0)


def _above(lines: list[PrintedLine], value: PrintedLine) -> PrintedLine | None:
    over = [
        line
        for line in lines
        if line.height > 0
        and line.box[1] < value.box[1]
        and value.box[1] - line.box[3] < _ABOVE * value.height
        and _gap(line.box, value.box) == 0
    ]
    return max(over, key=lambda line: line.box[3], default=None)


def _one_row(one: Rectangle, other: Rectangle) -> bool:
    shared = min(one[3], other[3]) - max(one[1], other[1])
    return shared >= _ROW_SHARE * min(one[3] - one[1], other[3] - other[1])


def around(one: Rectangle, other: Rectangle) -> Rectangle:
    """Return the rectangle around two."""
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
