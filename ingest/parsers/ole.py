"""Word and PowerPoint files of the old binary kind, and the decryption of Office files."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path
from typing import Any

from core.errors import Encrypted, Unparseable
from ingest.parsed import Block, RawDocument
from ingest.parsers.request import ParseRequest
from ingest.parsers.tables import markdown_table

DOC, PPT = "application/msword", "application/vnd.ms-powerpoint"
_FIELD_CODE = re.compile("\x13[^\x13\x14\x15]*\x14?")
_ENCRYPTED_FLAG = 0x0100
_WHICH_TABLE_FLAG = 0x0200
_TEXT_CHARS, _TEXT_BYTES, _SLIDE, _NOTES, _MASTER, _SLIDE_PERSIST = 4000, 4008, 1006, 1008, 1016, 1011
_MASTER_TEXT = ("Click to edit Master", "Klicken Sie, um")


def parse_doc(request: ParseRequest) -> RawDocument:
    """Read a binary Word file by its piece table.

    Raises:
        Encrypted: it needs a password.
        Unparseable: its streams make no sense.
    """
    import olefile  # type: ignore[import-untyped]

    try:
        with olefile.OleFileIO(str(request.path)) as ole:
            main = ole.openstream("WordDocument").read()
            flags = struct.unpack_from("<H", main, 0x0A)[0]
            if flags & _ENCRYPTED_FLAG:
                raise Encrypted("the Word file needs a password")
            table = ole.openstream("1Table" if flags & _WHICH_TABLE_FLAG else "0Table").read()
            text = _pieces(main, table)
    except (OSError, struct.error, IndexError, ValueError) as error:
        raise Unparseable(f"not a readable Word file: {error}") from error
    return RawDocument(_doc_blocks(text), DOC, "doc")


def _pieces(main: bytes, table: bytes) -> str:
    """Return a Word file's characters in order: each piece is UTF-16 or Windows-1252 at an offset."""
    start, length = struct.unpack_from("<II", main, 0x01A2)
    clx = table[start : start + length]
    at = 0
    while clx[at] == 1:  # property runs come before the piece table
        at += 3 + struct.unpack_from("<H", clx, at + 1)[0]
    if clx[at] != 2:
        raise ValueError("no piece table")
    size = struct.unpack_from("<I", clx, at + 1)[0]
    plc = clx[at + 5 : at + 5 + size]
    count = (size - 4) // 12
    bounds = struct.unpack_from(f"<{count + 1}I", plc)
    parts = []
    for number in range(count):
        place = struct.unpack_from("<I", plc, 4 * (count + 1) + 8 * number + 2)[0]
        characters = bounds[number + 1] - bounds[number]
        if place & 0x40000000:
            offset = (place & 0x3FFFFFFF) // 2
            parts.append(main[offset : offset + characters].decode("cp1252", errors="replace"))
        else:
            parts.append(main[place : place + 2 * characters].decode("utf-16-le", errors="replace"))
    return "".join(parts)


def _doc_blocks(text: str) -> list[Block]:
    """Split Word's characters: 0x0D ends a paragraph, 0x07 a cell, two of them a row; 0x13–0x15 mark fields."""
    text = _FIELD_CODE.sub("", text).replace("\x14", "").replace("\x15", "").replace("\x0b", "\n").replace("\x0c", "\r")
    blocks: list[Block] = []
    rows: list[list[str]] = []
    for paragraph in re.split("\r(?!\x07)", text):
        if "\x07" in paragraph:
            *table, rest = re.split("\x07\x07", paragraph)
            rows += [[" ".join(cell.split()) for cell in row.split("\x07")] for row in table]
            paragraph = rest.replace("\x07", " ")
        if rows and paragraph.strip():
            blocks.append(Block("table", markdown_table(rows)))
            rows = []
        if paragraph.strip():
            blocks.append(Block("text", paragraph))
    if any(any(row) for row in rows):
        blocks.append(Block("table", markdown_table(rows)))
    return blocks


def parse_ppt(request: ParseRequest) -> RawDocument:
    """Read a binary PowerPoint file by the text atoms of its slides.

    Raises:
        Unparseable: it has no document stream.
    """
    import olefile

    try:
        with olefile.OleFileIO(str(request.path)) as ole:
            stream = ole.openstream("PowerPoint Document").read()
    except (OSError, ValueError) as error:
        raise Unparseable(f"not a readable PowerPoint file: {error}") from error
    raw = RawDocument([], PPT, "ppt")
    walker = _Slides()
    walker.walk(stream, 0, len(stream), 0)
    for page, texts in sorted(walker.found.items()):
        for text in texts:
            raw.blocks.append(Block("text", text.replace("\r", "\n").replace("\x0b", "\n"), page=page))
    raw.pages = max(walker.found, default=0)
    return raw


class _Slides:
    """Gathers text atoms by slide; outline texts are numbered by their place in the list of slides."""

    def __init__(self) -> None:
        self.found: dict[int, list[str]] = {}
        self._outline = self._slide = 0

    def walk(self, data: bytes, start: int, end: int, page: int, depth: int = 0) -> None:
        """Visit the records between two offsets."""
        at = start
        while at + 8 <= end and depth < 32:
            version, kind, length = struct.unpack_from("<HHI", data, at)
            body, at = at + 8, at + 8 + length
            if kind == _SLIDE_PERSIST:
                self._outline += 1
                page = self._outline
            elif kind == _TEXT_CHARS:
                self._add(page, data[body:at].decode("utf-16-le", errors="replace"))
            elif kind == _TEXT_BYTES:
                self._add(page, data[body:at].decode("cp1252", errors="replace"))
            elif version & 0xF == 0xF and kind != _MASTER:
                inner = page
                if kind == _SLIDE:
                    self._slide += 1
                    inner = self._slide
                elif kind == 4080:
                    self._outline = 0
                self.walk(data, body, min(at, end), inner, depth + 1)

    def _add(self, page: int, text: str) -> None:
        texts = self.found.setdefault(max(page, 1), [])
        if text.strip() and text not in texts and not text.startswith(_MASTER_TEXT) and text.strip() != "*":
            texts.append(text)


def decrypt_office(request: ParseRequest) -> Path:
    """Return the decrypted copy of an Office file, left in the spool folder; a file that is not encrypted as it is.

    Raises:
        Encrypted: there is no password, or it is wrong.
    """
    if request.password is None:
        raise Encrypted("the Office file needs a password")
    import msoffcrypto  # type: ignore[import-untyped]
    from msoffcrypto.exceptions import DecryptionError, FileFormatError, InvalidKeyError  # type: ignore[import-untyped]

    plain: Any = io.BytesIO()
    try:
        with request.path.open("rb") as file:
            office = msoffcrypto.OfficeFile(file)
            if not office.is_encrypted():
                return request.path
            office.load_key(password=request.password)
            office.decrypt(plain)
    except (DecryptionError, InvalidKeyError, FileFormatError, ValueError) as error:
        raise Encrypted(f"the password does not open the file: {error}") from error
    path = request.spool / "decrypted"
    path.write_bytes(plain.getvalue())
    return path
