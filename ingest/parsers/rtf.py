"""Rich Text Format: control words read one by one, bytes decoded by the font's code page."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ingest.parsed import Block, RawDocument
from ingest.parsers.mail import MAX_ATTACHMENTS
from ingest.parsers.objects import embedded_files
from ingest.parsers.properties import comment_of
from ingest.parsers.raised import raised
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
_EDGES = {b"header", b"headerl", b"headerr", b"headerf", b"footer", b"footerl", b"footerr", b"footerf"}
_ASIDES = _EDGES | {b"footnote", b"annotation"}
"""Groups with paragraphs of their own, wherever in a paragraph they stand."""
_SHOWN = {b"shptxt", b"fldrslt", b"result", b"footnote", b"annotation"}
_SHOWN_STARRED = {b"shppict", b"shpinst", b"annotation", b"atnauthor"}
_CHARSETS = {0: 1252, 77: 10000, 128: 932, 129: 949, 134: 936, 136: 950, 161: 1253, 162: 1254, 163: 1258, 177: 1255}
_CHARSETS |= {178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250}


def parse_rtf(request: ParseRequest) -> RawDocument:
    """Read an RTF file."""
    reader = _Reader()
    content = request.read()
    reader.read(content)
    raw = RawDocument(reader.blocks, "application/rtf", "rtf")
    if reader.hidden:
        raw.counts["hidden_text"] = [text[:200] for text in reader.hidden[:20]]
    for name, inside in embedded_files(content):
        if len(raw.attachments) < MAX_ATTACHMENTS:
            spool_file(raw, request, name, inside)
    return raw


@dataclass(slots=True)
class _State:
    """What holds until the group ends."""

    skip: bool = False
    after_unicode: int = 1
    encoding: str = "cp1252"
    in_fonts: bool = False
    in_author: bool = False
    deleted: bool = False
    hidden: bool = False
    raised: bool = False
    begins_aside: bool = False
    """Of this group, and not of one within it."""


@dataclass(slots=True)
class _Gathered:
    """What has been read of the text, or of one aside."""

    blocks: list[Block]
    text: list[str]
    cells: list[str]
    rows: list[list[str]]
    asides: list[Block]
    """To stand behind the paragraph being gathered."""
    word: bytes = b""
    """What began the aside."""


class _Reader:
    """Follows groups and gathers paragraphs and table rows."""

    def __init__(self) -> None:
        self.hidden: list[str] = []
        self._page, self._fonts = "cp1252", dict[int, str]()
        self._font_defined: int | None = None
        self._state, self._stack = _State(), list[_State]()
        self._at, self._around = _Gathered([], [], [], [], []), list[_Gathered]()
        self._author = ""
        self._edges: set[str] = set()
        self._to_drop = 0
        self._bytes = bytearray()
        self._starred = False

    @property
    def blocks(self) -> list[Block]:
        """What has been read."""
        return self._at.blocks

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
        self._decode()
        while self._around:
            self._end_aside()
        self._end()

    def _brace(self, brace: bytes) -> None:
        self._decode()
        self._to_drop = 0
        if brace == b"{":
            self._stack.append(self._state)
            self._state = replace(self._state, begins_aside=False)
        elif self._stack:
            if self._state.begins_aside:
                self._end_aside()
            self._state = self._stack.pop()
        self._starred = False

    def _symbol(self, symbol: bytes) -> None:
        if symbol == b"*":
            self._starred = True
        elif symbol in (b"\n", b"\r"):
            self._word(b"par", None)
        elif not self._state.skip:
            self._decode()
            self._put({b"~": " ", b"_": "-", b"-": ""}.get(symbol, symbol.decode("latin-1")))

    def _word(self, word: bytes, number: int | None) -> None:
        self._decode()
        starred, self._starred = self._starred, False
        if word == b"fonttbl":
            self._state.in_fonts = True
        if word in _DESTINATIONS or (starred and word not in _SHOWN_STARRED):
            self._state.skip = True
        elif word in _SHOWN:
            self._state.skip = False
        if word in _ASIDES and not (self._state.skip or self._state.begins_aside):
            self._begin_aside(word)
        elif word == b"atnauthor":
            self._author, self._state.in_author = "", True
        self._codepage(word, number)
        self._look(word, number)
        if not self._state.skip:
            self._visible(word, number)

    def _look(self, word: bytes, number: int | None) -> None:
        """Follow how characters are shown, as far as that changes what is said."""
        if word == b"deleted":
            self._state.deleted = number != 0
        elif word == b"v":
            self._state.hidden = number != 0
        elif word in (b"super", b"sub", b"nosupersub"):
            self._state.raised = word == b"super" and number != 0
        elif word == b"plain":
            self._state.deleted = self._state.hidden = self._state.raised = False

    def _begin_aside(self, word: bytes) -> None:
        self._state.begins_aside = True
        self._state.deleted = self._state.hidden = self._state.raised = False
        self._around.append(self._at)
        self._at = _Gathered([], [], [], [], [], word)

    def _end_aside(self) -> None:
        """Put an aside behind the paragraph that it stands in; one that stands between paragraphs stays there."""
        self._end()
        found, word, self._at = self._at.blocks, self._at.word, self._around.pop()
        if word == b"annotation":
            remark = comment_of(self._author, " ".join(block.text for block in found))
            found = [Block("text", remark)] if remark else []
        elif word in _EDGES:  # each section has its own, most of them the same
            found = [block for block in found if block.text not in self._edges]
            self._edges.update(block.text for block in found)
        self._at.asides += found
        if not ("".join(self._at.text).strip() or self._at.cells or self._at.rows):
            self._place_asides()

    def _place_asides(self) -> None:
        self._at.blocks += self._at.asides
        self._at.asides = []

    def _codepage(self, word: bytes, number: int | None) -> None:
        if word == b"ansicpg" and number:
            self._page = self._state.encoding = _codec(number)
        elif word == b"f" and number is not None:
            if self._state.in_fonts:
                self._font_defined = number
            else:
                self._state.encoding = self._fonts.get(number, self._page)
        elif word == b"fcharset" and self._font_defined is not None and number:
            self._fonts[self._font_defined] = _codec(_CHARSETS.get(number, 1252))
        elif word == b"uc" and number is not None:
            self._state.after_unicode = number
        elif word == b"plain":
            self._state.encoding = self._page

    def _visible(self, word: bytes, number: int | None) -> None:
        if word in (b"par", b"sect", b"page"):
            self._paragraph()
        elif word in (b"cell", b"nestcell"):
            self._at.cells.append(" ".join("".join(self._at.text).split()))
            self._at.text = []
        elif word in (b"row", b"nestrow"):
            if self._at.cells:
                self._at.rows.append(self._at.cells)
            self._at.cells = []
        elif word == b"u" and number is not None:
            self._put(_character(number))
            self._to_drop = self._state.after_unicode
        elif word in _CHARACTERS:
            self._put(_CHARACTERS[word])

    def _byte(self, data: bytes) -> None:
        if self._state.skip:
            return
        if self._to_drop:
            dropped = min(self._to_drop, len(data))
            self._to_drop -= dropped
            data = data[dropped:]
        self._bytes += data

    def _decode(self) -> None:
        if self._bytes:
            self._put(bytes(self._bytes).decode(self._state.encoding, errors="replace"))
            self._bytes.clear()

    def _put(self, text: str) -> None:
        """Take some characters for what they are shown as."""
        if self._state.in_author:
            self._author += text
        elif self._state.hidden and not self._state.deleted:
            self.hidden += [text] if text.strip() else []
        elif not self._state.deleted:
            self._at.text.append(raised(text) if self._state.raised else text)

    def _paragraph(self) -> None:
        self._decode()
        text = "".join(self._at.text)
        if self._at.cells:
            self._at.text = [text, "\n"]  # a paragraph inside a cell
            return
        if text.strip():
            self._end_table()
            self._at.blocks.append(Block("text", text))
            self._place_asides()
        self._at.text = []

    def _end_table(self) -> None:
        rows, self._at.rows = self._at.rows, []
        if any(any(row) for row in rows):
            self._at.blocks.append(Block("table", markdown_table(rows)))

    def _end(self) -> None:
        """End the text, or an aside."""
        self._paragraph()
        self._end_table()
        self._place_asides()


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
