"""A PDF page's text as printed lines with their rectangles, weight and colour."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.numbers import RAISED
from ingest.parsed import Rectangle
from ingest.parsers.pdf_forms import Overlay, around, put_in_place, values
from ingest.parsers.pdf_heads import MAX_HEAD_LINES
from ingest.parsers.pdf_hidden import WHITE
from ingest.parsers.printed import CELL_GAP, PrintedLine, figure_regions

NOWHERE = (0.0, 0.0, 0.0, 0.0)
_LINE_END = re.compile("[\n\x02\ufffe]")
_LABEL = re.compile(r"(?:(?!\(?n/?[am]\)?\s)[^\W\d]\S*[ \t]+)+", re.IGNORECASE)
_WORD = re.compile(r"\S+")
_HOLDS_DIGIT = re.compile(r"\S[^\s\d]*\d\S*")
_DIGITS = re.compile(r"(?<![(\[])[0-9]+")  # a bracket parts a mark from its word
_BEGINS = re.compile(r"(?<=\S)\r\n([0-9]{1,2})(?![.,]?[0-9]|[\w%-])")
SMALL = 0.9  # of a line's height: superscripts are set at two thirds
NO_SPACE = 0.1  # of a line's height; a space is twice as wide and more
SLANT = 0.05  # radians; of slanted text every character stands higher or lower than the one before
MIN_RISE = 0.5  # points
LOWEST_RISE, HIGHEST_RISE = 0.12, 0.7  # of a line's height: superscripts stand a third higher, another line a whole
_HEAVY = re.compile(b"bold|black|heavy", re.IGNORECASE)
_FONT_NAME = ctypes.create_string_buffer(96)
_COLOUR = [ctypes.c_uint() for _ in range(4)]
_COLOUR_PLACES = [ctypes.byref(part) for part in _COLOUR]
_ORIGIN = [ctypes.c_double() for _ in range(2)]
_ORIGIN_PLACES = [ctypes.byref(part) for part in _ORIGIN]
_FONT_FLAGS = ctypes.byref(ctypes.c_int())


@dataclass(slots=True)
class Frame:
    """Turns user space into the displayed page: points, origin at the top left."""

    left: float
    bottom: float
    width: float
    height: float
    rotation: int

    @classmethod
    def of(cls, page: Any) -> Frame:
        """Return the frame of a page."""
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


def printed_lines(textpage: Any, frame: Frame, over: Overlay | None = None) -> tuple[str, list[PrintedLine]]:
    """Return a page's own text and its lines; only a line's first, middle and last characters are measured.

    What is written `over` the page and drawn into it stands in the lines, each value beside its label.
    """
    whole = textpage.get_text_range()
    ruler = _Ruler(textpage, frame, exact=len(whole) == textpage.count_chars())
    own = len(over.text) if over is not None and whole.startswith(over.text) else len(whole)
    whole = ruler.with_raised(whole)
    text = whole[:own]
    lines, starts = _own_lines(text, ruler)
    if over is not None and len(whole) > len(text):
        places, buttons = ([frame.box(*place) for place in group] for group in (over.places, over.buttons))
        written = values(ruler.boxes(whole, len(text)), places, buttons)
        begins = {id(line): start for line, start in zip(lines, starts, strict=True)}

        def measure(line: PrintedLine) -> None:
            line.words = ruler.words(text, begins[id(line)], whole_label=False)

        put_in_place(lines, written, measure)
        starts = [begins.get(id(line), 0) for line in lines]
    for region in figure_regions(lines):
        for number in range(max(0, region.start - MAX_HEAD_LINES), region.end):
            if not lines[number].words:
                lines[number].words = ruler.words(text, starts[number], whole_label=bool(lines[number].row))
    return text, lines


def _own_lines(text: str, ruler: _Ruler) -> tuple[list[PrintedLine], list[int]]:
    """Return the lines of a page's text and where each begins in it."""
    lines: list[PrintedLine] = []
    starts: list[int] = []
    position, end = 0, -1
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
        line = PrintedLine(_printed(part), box, ruler.bold(first), white=ruler.white(first, last))
        between = ruler.between(text, end, first)
        if between is None:
            lines.append(line)
            starts.append(start)
        else:
            _go_on(lines[-1], line, between, [ruler.words(text, at, whole_label=False) for at in (starts[-1], start)])
        end = last
    return lines, starts


def _go_on(line: PrintedLine, rest: PrintedLine, between: str, words: list[list[tuple[str, float, float]]]) -> None:
    """Join to a line what pdfium parted from it at a raised digit."""
    begun, more = line.words or words[0], words[1]
    if not between and begun and more:
        (text, left, _), (mark, _, right) = begun.pop(), more.pop(0)
        begun.append((text + mark, left, right))
    line.words = begun + more
    line.text += between + rest.text
    line.box = around(line.box, rest.box)
    line.white = line.white and rest.white


class _Ruler:
    """Measures the characters of a page's text."""

    def __init__(self, textpage: Any, frame: Frame, exact: bool) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium, self._page, self._frame, self._exact = pdfium, textpage.raw, frame, exact
        self._rectangle = pdfium.FS_RECTF()
        self._reference = ctypes.byref(self._rectangle)

    def box(self, indices: tuple[int, ...]) -> Rectangle:
        """Return the rectangle around some characters, nothing where none has a place."""
        found, measure, reference = self._rectangle, self._pdfium.FPDFText_GetLooseCharBox, self._reference
        box: tuple[float, float, float, float] | None = None
        for index in indices:
            at = index if self._exact else self._pdfium.FPDFText_GetCharIndexFromTextIndex(self._page, index)
            if at < 0 or not measure(self._page, at, reference):
                continue
            left, bottom, right, top = found.left, found.bottom, found.right, found.top
            if box is not None:  # comparing by hand: this runs three times a line
                left = box[0] if box[0] < left else left
                bottom = box[1] if box[1] < bottom else bottom
                right = box[2] if box[2] > right else right
                top = box[3] if box[3] > top else top
            box = left, bottom, right, top
        if box is None:
            return NOWHERE
        x0, y0, x1, y1 = self._frame.box(*box)
        return round(x0, 1), round(y0, 1), round(x1, 1), round(y1, 1)

    def bold(self, index: int) -> bool:
        """Tell whether a character's font is a heavy one."""
        length = self._pdfium.FPDFText_GetFontInfo(self._page, index, _FONT_NAME, 96, _FONT_FLAGS)
        return bool(_HEAVY.search(_FONT_NAME.value)) if 0 < length <= 96 else False

    def white(self, first: int, last: int) -> bool:
        """Tell whether a line begins, goes on and ends in white."""
        return self._white(first) and self._white((first + last) // 2) and self._white(last)

    def _white(self, index: int) -> bool:
        at = index if self._exact else self._pdfium.FPDFText_GetCharIndexFromTextIndex(self._page, index)
        if at < 0 or not self._pdfium.FPDFText_GetFillColor(self._page, at, *_COLOUR_PLACES):
            return False
        red, green, blue, _ = _COLOUR
        return bool(red.value >= WHITE and green.value >= WHITE and blue.value >= WHITE)

    def with_raised(self, text: str) -> str:
        """Return a text with its raised digits as superscripts: 250 with a note is not 2501."""
        marked: list[int] = []
        for word in _HOLDS_DIGIT.finditer(text):
            base = self._origin(word.start())
            for digits in _DIGITS.finditer(text, word.start() + 1, word.end()):
                at = digits.end() - 1
                while at >= digits.start() and self._is_raised(word.start(), base, at):
                    marked.append(at)
                    at -= 1
        for digits in _BEGINS.finditer(text):
            before, first = digits.start() - 1, digits.start(1)
            if self._is_raised(before, self._origin(before), first) and self._is_small_and_near(before, first):
                marked += range(first, digits.end())
        if not marked:
            return text
        characters = list(text)
        for at in marked:
            characters[at] = RAISED[int(characters[at])]
        return "".join(characters)

    def between(self, text: str, end: int, first: int) -> str | None:
        """Return what parts two runs of characters that pdfium tells apart by a raised digit; None for two lines."""
        base = end
        while base > 0 and text[base] in RAISED:
            base -= 1
        if base < 0 or (base == end and text[first] not in RAISED):
            return None
        (x, y), (from_x, from_y) = self._origin(first), self._origin(base)
        _, top, _, bottom = self.box((base,))
        if x <= from_x or abs(y - from_y) > HIGHEST_RISE * (bottom - top):
            return None
        gap = (x - self.box((end,))[2]) / (bottom - top or 1.0)
        if text[first] in RAISED:
            return "" if gap < CELL_GAP else None
        return None if abs(y - from_y) >= MIN_RISE else "" if gap < NO_SPACE else " "

    def _is_raised(self, first: int, base: tuple[float, float], index: int) -> bool:
        """Tell whether a character stands clearly above the line of its word's first one."""
        x, y = self._origin(index)
        if abs(y - base[1]) < MIN_RISE:  # nearly all
            return False
        if not self._frame.rotation and abs(self._pdfium.FPDFText_GetCharAngle(self._page, self._at(first))) > SLANT:
            return False
        _, top, _, bottom = self.box((first,))
        return x > base[0] and LOWEST_RISE * (bottom - top) < base[1] - y < HIGHEST_RISE * (bottom - top)

    def _at(self, index: int) -> int:
        """Return the number that pdfium gives to a character of the text, -1 where it has none."""
        return index if self._exact else int(self._pdfium.FPDFText_GetCharIndexFromTextIndex(self._page, index))

    def _is_small_and_near(self, before: int, index: int) -> bool:
        """Tell whether a character is set smaller than the one before and close to it, as cells of a row are not."""
        (_, top, right, bottom), (left, its_top, _, its_bottom) = self.box((before,)), self.box((index,))
        height = bottom - top
        return its_bottom - its_top < SMALL * height and left - right < CELL_GAP * height

    def _origin(self, index: int) -> tuple[float, float]:
        """Return where a character stands on its line, on the displayed page."""
        at = self._at(index)
        if at < 0 or not self._pdfium.FPDFText_GetCharOrigin(self._page, at, *_ORIGIN_PLACES):
            return 0.0, 0.0
        x, y = _ORIGIN[0].value, _ORIGIN[1].value
        return self._frame.box(x, y, x, y)[:2]

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

    def boxes(self, text: str, start: int) -> Iterator[tuple[str, Rectangle]]:
        """Yield the words from a position on with their rectangles."""
        for word in _WORD.finditer(text, start):
            yield word[0], self.box((word.start(), word.end() - 1))

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
