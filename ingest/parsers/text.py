"""Plain text in whatever encoding it comes."""

from __future__ import annotations

import codecs
import re

from core.errors import Unparseable
from ingest.parsed import Block, RawDocument
from ingest.parsers.encodings import guess_encoding

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PARAGRAPH = re.compile(r"\n[ \t]*\n+|\f")
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,3}[.)])\s+\S")


def decode(content: bytes) -> str:
    """Return the text of bytes: by byte order mark, as UTF-8, as UTF-16 without a mark, else as what reads best.

    Raises:
        Unparseable: the bytes are not text.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _guess(content)
    if "\x1b$" in text:
        return _guess(content)
    if "\x00" in text:
        stripped = text.replace("\x00", "")
        return stripped if len(stripped) > 0.8 * len(text) else _guess(content)
    return text


def _guess(content: bytes) -> str:
    sample = content[:4096]
    for encoding, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if zeros and zeros.count(0) > 0.4 * len(zeros):
            return content.decode(encoding, errors="replace")
    guessed = guess_encoding(content)
    if guessed is None:
        raise Unparseable("the bytes are not text in any known encoding")
    return content.decode(guessed, errors="replace")


def parse_text(content: bytes) -> RawDocument:
    """Read plain text: paragraphs are parted by empty lines, and items keep their lines."""
    blocks: list[Block] = []
    for paragraph in _PARAGRAPH.split(decode(content).replace("\r\n", "\n").replace("\r", "\n")):
        if not paragraph.strip():
            continue
        lines = paragraph.strip("\n").split("\n")
        items = [number for number, line in enumerate(lines) if _BULLET.match(line)]
        listed = len(items) > 1
        if listed and items[0] and blocks and blocks[-1].kind == "list":  # its heading is no part of the list before
            blocks.append(Block("text", "\n".join(lines[: items[0]])))
            lines = lines[items[0] :]
        blocks.append(Block("list" if listed else "text", "\n".join(lines)))
    return RawDocument(blocks, "text/plain", "text")


def parse_code(content: bytes) -> RawDocument:
    """Read source code, settings and logs: pieces are parted by empty lines, and lines keep their indents."""
    pieces = _PARAGRAPH.split(decode(content).replace("\r\n", "\n").replace("\r", "\n"))
    return RawDocument([Block("code", piece.strip("\n")) for piece in pieces if piece.strip()], "text/plain", "code")
