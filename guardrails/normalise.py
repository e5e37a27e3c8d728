"""Undo the disguises of a text: look-alike letters, invisible characters, spacing, leet, and encodings.

Classifiers and word lists see the plain text, and what an encoded part decodes to, beside the original.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\U000e0000-\U000e0fff]"
)
_TAGS = re.compile("[\U000e0020-\U000e007e]")
_CYRILLIC_GREEK = str.maketrans(
    "АВЕЅІЈКМНОРСТХУаеіјорсухѕһԁԛԝгкмтвнпΑΒΕΖΗΙΚΜΝΟΡΤΥΧαεικνορτυχγωВ",
    "ABESIJKMHOPCTXYaeijopcyxshdqwrkmtbhnABEZHIKMNOPTYXaeiknoptuxywB",
)
_LATIN_LOOKALIKES = str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ß": "ss", "ɑ": "a", "ɡ": "g", "ɩ": "i", "ⅼ": "l", "ǃ": "!"}
)
_LOOKALIKE = re.compile(f"[{''.join(map(chr, {**_CYRILLIC_GREEK, **_LATIN_LOOKALIKES}))}]")
_LEET = str.maketrans("013457@$!|", "oieastasil")
_LEET_WORD = re.compile(
    r"(?<![\w@$!|])(?=[\w@$!|]*(?:[A-Za-z][013457@$!|]+[A-Za-z]|\b[013457@$|][A-Za-z]{3}))[\w@$!|]{4,}"
)
"""A digit inside a word, or before three letters: a year after a label (FY2019) is no disguise."""
_SPACED = re.compile(r"(?<!\w)(?:\w[ .\-_*]){4,}\w(?!\w)")
_BASE64 = re.compile(r"(?<![\w+/])(?:[A-Za-z0-9+/_-]{4}){4,}[A-Za-z0-9+/_-]{0,3}={0,2}")
_HEX = re.compile(r"(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[ :,]?){10,}")
_BINARY = re.compile(r"(?:[01]{8}[ ]?){6,}")
_ROT_HINT = re.compile(r"\b(?:gur|vtaber|vafgehpgvbaf|cerivbhf|flfgrz|cebzcg|naq|lbhe|nyy|gryy)\b", re.IGNORECASE)
_REVERSED_HINT = re.compile(r"\b(?:erongi|snoitcurtsni|suoiverp|metsys|tpmorp|ruoy|eht)\b", re.IGNORECASE)
_MAX_CHARACTERS = 20_000


@lru_cache(maxsize=4096)  # every rail asks for the same text, and passages come back with other questions
def plain(text: str) -> str:
    """Return the text with invisible characters dropped and look-alike letters folded (NFKC, Cyrillic, Greek)."""
    if text.isascii():
        return text
    folded = unicodedata.normalize("NFKC", text[:_MAX_CHARACTERS])
    folded = _unmarked(_INVISIBLE.sub("", _from_tags(text[:_MAX_CHARACTERS]) + folded))
    if not _LOOKALIKE.search(folded):  # curly quotes and dashes, as in most prose: no word would change
        return folded
    latin = 2 * sum(c.isascii() and c.isalpha() for c in folded) > sum(c.isalpha() for c in folded)
    return "".join(_word_folded(word, alone=latin) for word in re.split(r"(\s+)", folded))


def views(text: str) -> tuple[str, ...]:
    """Return the plain text first, then what its disguised parts decode to; no view twice, at most six."""
    base = plain(text)
    found = [base]
    found += decoded(base)
    if _LEET_WORD.search(base):
        found.append(_LEET_WORD.sub(lambda match: _unleet(match[0]), base))
    if _SPACED.search(base):
        found.append(_SPACED.sub(lambda match: re.sub(r"[ .\-_*]", "", match[0]), base))
    return tuple(dict.fromkeys(view for view in found if view.strip()))[:6] or (text,)


def decoded(text: str) -> list[str]:
    """Return readable texts hidden in base64, hex, binary, percent-encoding, rot13 or reversed writing."""
    text = text[:_MAX_CHARACTERS]
    found = [_base64(match[0]) for match in _BASE64.finditer(text)]
    found += [_hex(match[0]) for match in _HEX.finditer(text)]
    found += [_binary(match[0]) for match in _BINARY.finditer(text)]
    if len(_ROT_HINT.findall(text)) >= 2:
        found.append(codecs.decode(text, "rot13"))
    if len(_REVERSED_HINT.findall(text)) >= 2:
        found.append(text[::-1])
    if text.count("%") >= 4:
        found.append(unquote(text))
    return [view for view in found if _readable(view) and view != text]


def _from_tags(text: str) -> str:
    """Return what is spelt in Unicode tag characters, which nobody sees and a model reads."""
    hidden = "".join(chr(ord(c) - 0xE0000) for c in _TAGS.findall(text))
    return f"{hidden} " if hidden else ""


def _unmarked(text: str) -> str:
    """Drop stacked combining marks (Zalgo); a single accent stays, it is how words are spelt."""
    return re.sub(r"([\u0300-\u036f])[\u0300-\u036f]+", r"\1", text)


def _word_folded(word: str, *, alone: bool) -> str:
    """Fold look-alikes in a word that mixes them with Latin letters and, with `alone`, in one made of nothing else."""
    if word.isascii():
        return word
    folded = word.translate(_CYRILLIC_GREEK).translate(_LATIN_LOOKALIKES)
    return folded if any("a" <= c.lower() <= "z" for c in word) or (alone and folded.isascii()) else word


def _unleet(word: str) -> str:
    letters = sum(c.isalpha() for c in word)
    return word.translate(_LEET) if letters >= len(word) / 3 and not word.isalpha() else word


def _base64(part: str) -> str:
    body = part.rstrip("=").replace("-", "+").replace("_", "/")
    if body.isalpha() and (body.islower() or body.istitle() or body.isupper()):
        return ""
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4)).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _hex(part: str) -> str:
    digits = re.sub(r"0x|\\x|[ :,]", "", part)
    try:
        return bytes.fromhex(digits[: len(digits) // 2 * 2]).decode("utf-8")
    except (ValueError, UnicodeDecodeError):
        return ""


def _binary(part: str) -> str:
    bits = part.replace(" ", "")
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits) - 7, 8)).decode("utf-8", "ignore")


def _readable(text: str) -> bool:
    if len(text) < 8:
        return False
    good = sum(c.isalpha() or c.isspace() or c in ".,;:!?'\"()-/" for c in text)
    return good / len(text) >= 0.85 and " " in text
