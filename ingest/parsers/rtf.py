"""Rich Text Format: control words read one by one, bytes decoded by the font's code page."""

from __future__ import annotations

import re

from ingest.parsed import Block, RawDocument
from ingest.parsers.mail import MAX_ATTACHMENTS
from ingest.parsers.objects import embedded_files
from ingest.parsers.request import ParseRequest, spool_file
from ingest.parsers.tables import markdown_table

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z'])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_DESTINATIONS = {
    b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"themedata", b"datastore",
    b"colorschememapping",
    b"latentstyles", b"listtable", b"listoverridetable", b"rsidtbl", b"generator", b"xmlnstbl", b"fldinst", b"objdata",
    b"filetbl", b"revtbl", b"pntext", b"pgdsctbl", b"bkmkstart", b"bkmkend", b"wgrffmtfilter", b"blipuid", b"mmathPr",
    b"nonshppict",
}  # fmt: skip
_CHARACTERS = {
    b"emdash": "—", b"endash": "–", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”",
    b"bullet": "•",
    b"tab": " ", b"line": "\n", b"emspace": " ", b"enspace": " ", b"qmspace": " ",
}  # fmt: skip
_CHARSETS = {0: 1252, 77: 10000, 128: 932, 129: 949, 134: 936, 136: 950, 161: 1253, 162: 1254, 163: 1258, 177: 1255}
_CHARSETS |= {178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250}


def parse_rtf(request: ParseRequest) -> RawDocument:
    """Read an RTF file."""
    reader = _Reader()
    content = request.read()
    reader.read(content)
    raw = RawDocument(reader.blocks, "application/rtf", "rtf")
    for name, inside in embedded_files(content):
        if len(raw.attachments) < MAX_ATTACHMENTS:
            spool_file(raw, request, name, inside)
    return raw


class _Reader:
    """Follows groups and gathers paragraphs and table rows."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._page, self._fonts = "cp1252", dict[int, str]()
        self._font_defined: int | None = None
        self._stack: list[tuple[bool, int, str, bool]] = []
        self._skip, self._after_unicode, self._encoding, self._in_fonts = False, 1, "cp1252", False
        self._to_drop = 0
        self._bytes = bytearray()
        self._text: list[str] = []
        self._cells: list[str] = []
        self._rows: list[list[str]] = []
        self._starred = False

    def read(self, content: bytes) -> None:
        """Read a whole file."""
        position = 0
        while (found := _TOKEN.search(content, position)) is not None:
            position = found.end()
            word, number, code, symbol, brace, plain = found.groups()
            if word is not None:
                if word == b"bin" and number:
                    position += max(0, int(number))
                self._word(word, int(number) if number else None)
            elif code is not None:
                self._byte(bytes([int(code, 16)]))
            elif symbol is not None:
                self._symbol(symbol)
            elif brace is not None:
                self._brace(brace)
            elif plain is not None:
                self._byte(plain)
        self._paragraph()
        self._end_table()

    def _brace(self, brace: bytes) -> None:
        self._decode()
        self._to_drop = 0
        if brace == b"{":
            self._stack.append((self._skip, self._after_unicode, self._encoding, self._in_fonts))
        elif self._stack:
            self._skip, self._after_unicode, self._encoding, self._in_fonts = self._stack.pop()
        self._starred = False

    def _symbol(self, symbol: bytes) -> None:
        if symbol == b"*":
            self._starred = True
        elif symbol in (b"\n", b"\r"):
            self._word(b"par", None)
        elif not self._skip:
            self._decode()
            self._text.append({b"~": " ", b"_": "-", b"-": ""}.get(symbol, symbol.decode("latin-1")))

    def _word(self, word: bytes, number: int | None) -> None:
        self._decode()
        starred, self._starred = self._starred, False
        if word == b"fonttbl":
            self._in_fonts = True
        if word in _DESTINATIONS or (starred and word not in (b"shppict", b"shpinst")):
            self._skip = True
        elif word in (b"shptxt", b"fldrslt", b"footnote", b"result"):
            self._skip = False
        self._codepage(word, number)
        if not self._skip:
            self._visible(word, number)

    def _codepage(self, word: bytes, number: int | None) -> None:
        if word == b"ansicpg" and number:
            self._page = self._encoding = _codec(number)
        elif word == b"f" and number is not None:
            if self._in_fonts:
                self._font_defined = number
            else:
                self._encoding = self._fonts.get(number, self._page)
        elif word == b"fcharset" and self._font_defined is not None and number:
            self._fonts[self._font_defined] = _codec(_CHARSETS.get(number, 1252))
        elif word == b"uc" and number is not None:
            self._after_unicode = number
        elif word == b"plain":
            self._encoding = self._page

    def _visible(self, word: bytes, number: int | None) -> None:
        if word in (b"par", b"sect", b"page"):
            self._paragraph()
        elif word in (b"cell", b"nestcell"):
            self._cells.append(" ".join("".join(self._text).split()))
            self._text = []
        elif word in (b"row", b"nestrow"):
            if self._cells:
                self._rows.append(self._cells)
            self._cells = []
        elif word == b"u" and number is not None:
            self._text.append(_character(number))
            self._to_drop = self._after_unicode
        elif word in _CHARACTERS:
            self._text.append(_CHARACTERS[word])

    def _byte(self, data: bytes) -> None:
        if self._skip:
            return
        if self._to_drop:
            dropped = min(self._to_drop, len(data))
            self._to_drop -= dropped
            data = data[dropped:]
        self._bytes += data

    def _decode(self) -> None:
        if self._bytes:
            self._text.append(bytes(self._bytes).decode(self._encoding, errors="replace"))
            self._bytes.clear()

    def _paragraph(self) -> None:
        self._decode()
        text = "".join(self._text)
        if self._cells:
            self._text = [text, "\n"]  # a paragraph inside a cell
            return
        if text.strip():
            self._end_table()
            self.blocks.append(Block("text", text))
        self._text = []

    def _end_table(self) -> None:
        rows, self._rows = self._rows, []
        if any(any(row) for row in rows):
            self.blocks.append(Block("table", markdown_table(rows)))


def _codec(number: int) -> str:
    name = {10000: "mac_roman", 65001: "utf-8"}.get(number, f"cp{number}")
    try:
        "".encode(name)
    except LookupError:
        return "cp1252"
    return name


def _character(number: int) -> str:
    code = number % 65536
    return "" if 0xD800 <= code < 0xE000 else chr(code)
