"""Plain text in whatever encoding it comes."""

from __future__ import annotations

import codecs
import re

from core.errors import Unparseable
from ingest.parsed import Block, RawDocument

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CHAOS_MARGIN = 0.02  # charset_normalizer's measure of mess; below it two readings are equally good
_PARAGRAPH = re.compile(r"\n[ \t]*\n+|\f")
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,3}[.)])\s+\S")


def decode(content: bytes) -> str:
    """Return the text of bytes: by byte order mark, as UTF-8, as UTF-16 without a mark, else by statistics.

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
    if "\x00" in text:
        return _guess(content)
    return text


def _guess(content: bytes) -> str:
    sample = content[:4096]
    for encoding, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if zeros and zeros.count(0) > 0.4 * len(zeros):
            return content.decode(encoding, errors="replace")
    from charset_normalizer import from_bytes

    matches = from_bytes(content[:200_000])
    best = matches.best()
    if best is None:
        raise Unparseable("the bytes are not text in any known encoding")
    encoding = best.encoding
    # Latin text is as plausible in a dozen code pages, and the Western one is by far the likeliest of them.
    short = len(content) < 64 and all(byte < 0x80 or byte >= 0xA0 for byte in content)
    if short or any(match.encoding == "cp1252" and match.chaos <= best.chaos + CHAOS_MARGIN for match in matches):
        encoding = "cp1252"
    return content.decode(encoding, errors="replace")


def parse_text(content: bytes) -> RawDocument:
    """Read plain text: paragraphs are parted by empty lines, and items keep their lines."""
    blocks = []
    for paragraph in _PARAGRAPH.split(decode(content).replace("\r\n", "\n").replace("\r", "\n")):
        if not paragraph.strip():
            continue
        items = sum(1 for line in paragraph.splitlines() if _BULLET.match(line))
        blocks.append(Block("list" if items > 1 else "text", paragraph.strip("\n")))
    return RawDocument(blocks, "text/plain", "text")
