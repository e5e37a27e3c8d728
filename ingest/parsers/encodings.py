"""Which encoding bytes are in that carry no mark and are no UTF-8: the one in which they read as some language best.

Statistics of bytes alone take Spanish for Romanian and Czech for anything. So each candidate's reading is scored by how
surely it is some language, less what no language does: signs and capitals inside words, two scripts in one word.
East Asian readings are scored by the characters that their language uses most. Of a few bytes among ASCII a language
says nothing: there what Western European text is full of is likelier than what no other sign supports.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from itertools import pairwise

from ingest.language import identify
from ingest.parsers.characters import JAPANESE, KOREAN, SIMPLIFIED, TRADITIONAL

# The likeliest first: among readings that are equally good, the first is taken.
_SINGLE = (
    "cp1252", "cp1250", "iso8859_2", "cp1251", "koi8_u", "cp1253", "iso8859_7", "cp1254", "cp1255", "cp1256",
    "iso8859_6", "cp1257", "cp866", "iso8859_5", "cp850", "mac_roman", "cp874",
)  # fmt: skip
_LANGUAGES = {
    "cp1252": {
        "en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "fi", "is", "ca", "gl", "eu", "af", "id", "ms",
    },
    "cp1250": {"pl", "cs", "sk", "hu", "sl", "hr", "bs", "ro", "sq"},
    "cp1254": {"tr", "az"},
    "cp1257": {"lt", "lv", "et"},
}  # fmt: skip
_LANGUAGES["iso8859_2"] = _LANGUAGES["cp1250"]
_AT_HOME = 0.1
"""What a reading gains whose language is one that its encoding was made for."""
_WESTERN = frozenset("äöüßÄÖÜéèêëàâîïôûùçñíóúáãõåæøÉÈÊÀÂÇÑÁÍÓÚÅÆØœŒ€£¥¢§°±©®™µ·•²³½¼¾×ºª¿¡«»–—‘’“”„…\xa0")
_AS_EVER = 0.2
"""What a reading gains of these and ASCII alone, unless it is surely of a language that is written otherwise."""
_SURE = 0.5
_USUAL = {
    "cp932": JAPANESE,
    "euc_jp": JAPANESE,
    "gb18030": SIMPLIFIED,
    "big5": TRADITIONAL,
    "cp949": KOREAN,
}
"""East Asian encodings: the characters of which their texts are full."""
_USUAL_SHARE = 0.4
"""Names and headings have as many; what is misread, a tenth."""
_SURELY_EAST_ASIAN, _HARDLY = 1.3, 0.05
_SAMPLE_BYTES = 4000
_TOLERANCE = 0.02
_CONTROL = re.compile(r"[\x80-\x9f\ufffd\ue000-\uf8ff]")
_WORD = re.compile(r"[^\s\d_.,;:!?()\[\]\"'“”‘’«»—–/-]+")
_EAST_ASIAN = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]")
_EAST_ASIAN_LETTER = re.compile(r"[\u3041-\u30fa\u3400-\u9fff\uac00-\ud7af\uff66-\uff9f]")
_AMONG_LATIN = re.compile(
    r"(?<=[A-Za-z])[\u3400-\u9fff\uac00-\ud7af\uff61-\uff9f](?=[A-Za-z])"
    r"|(?<=[A-Z])[\uff61-\uff9f]"
    r"|(?<![^\x00-\x7f])[\u3400-\u9fff\uac00-\ud7af](?=[a-z])"
)
"""An East Asian character alone in a word of Latin letters: an accent and the letter behind it, misread."""
_OF_NO_SCRIPT = {"COMBINING", "MICRO", "MASCULINE", "FEMININE"}
_AT_A_WORD = "°®™©€£¢"
"""Signs that stand at the end or the head of a word (`20 °C`)."""
_MAX_DAMAGED_SHARE = 0.2
_EBCDIC_SPACE, _EBCDIC_SPACES = 0x40, 0.08


def guess_encoding(content: bytes) -> str | None:
    """Return the name of the encoding in which bytes read best, `None` where they read as nothing."""
    if _damaged_utf8(content):
        return "utf-8"
    if b"\x1b$" in content or b"\x1b(" in content:
        return "iso2022_jp"
    if content.count(_EBCDIC_SPACE) > _EBCDIC_SPACES * len(content) and content.count(b" ") < content.count(b"@") / 20:
        return "cp500"
    sample = _sample(content)
    scores = {name: _score(sample, name) for name in (*_USUAL, *_SINGLE)}
    best = max(scores.values())
    if best <= 0:
        return None
    odd = sum(1 for byte in sample if byte >= 0x80)
    tolerance = _TOLERANCE + 0.3 / max(odd, 1)  # a few letters tell little
    return next(name for name, score in scores.items() if score >= best - tolerance)


def _damaged_utf8(content: bytes) -> bool:
    """Tell UTF-8 in which a few bytes are broken."""
    text = content.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    whole = sum(1 for character in text[:200_000] if character > "\x7f") - broken
    return whole > 0 and broken <= _MAX_DAMAGED_SHARE * whole


def _sample(content: bytes) -> bytes:
    """Return the lines that are not plain ASCII, up to a size."""
    lines, size = [], 0
    for line in content[:1_000_000].splitlines(keepends=True):
        if not line.isascii():
            lines.append(line)
            size += len(line)
        if size > _SAMPLE_BYTES:
            break
    return b"".join(lines)[: 4 * _SAMPLE_BYTES]


def _score(sample: bytes, encoding: str) -> float:
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(sample)  # a sample may end within a character
    except UnicodeDecodeError:
        return -1.0
    if _CONTROL.search(text):
        return -1.0
    odd = [character for character in text if character > "\x7f"]
    if encoding in _USUAL:
        return _east_asian(text, encoding, len(odd))
    code, sure = identify(text)
    at_home = _AT_HOME if code in _LANGUAGES.get(encoding, ()) else 0.0
    western = _WESTERN.issuperset(odd) and (sure < _SURE or code in _LANGUAGES["cp1252"])
    return sure + at_home + western * _AS_EVER - _faults(text) / max(len(odd), 1)


def _east_asian(text: str, encoding: str, odd: int) -> float:
    """Score a reading by whether it is all East Asian, with the characters that its language uses most."""
    if len(_EAST_ASIAN.findall(text)) < 0.8 * odd or len(_AMONG_LATIN.findall(text)) > 0.2 * odd:
        return -1.0
    letters = _EAST_ASIAN_LETTER.findall(text)
    usual = sum(1 for letter in letters if letter in _USUAL[encoding])
    share = usual / max(len(letters), 1)
    return max(_HARDLY, _SURELY_EAST_ASIAN * min(1.0, share / _USUAL_SHARE) + _AS_EVER * share)


def _faults(text: str) -> int:
    """Count what no language does."""
    faults = 0
    for found in _WORD.finditer(text):
        signs = len(found[0]) - len(word := found[0].strip(_AT_A_WORD))
        faults += not word and signs > 1
        if word.isascii():
            continue
        scripts = {_script(character) for character in word if unicodedata.category(character)[0] in "LM"}
        faults += 2 * (len(scripts - _OF_NO_SCRIPT) > 1 and not _EAST_ASIAN.search(word))
        accented = sum(1 for character in word if character > "\x7f")
        if scripts == {"LATIN"} and accented >= max(3, 0.8 * len(word)):
            faults += accented
        for before, after in pairwise(word):
            faults += before.islower() and before != "ß" and after.isupper()
            faults += (before.isalpha() and _sign(after)) or (_sign(before) and after.isalpha())
            faults += _sign(before) and _sign(after) and before != after and not "─" <= before < "▀"
            faults += unicodedata.category(after) == "Mn" and unicodedata.category(before)[0] not in "LM"
    return faults


def _sign(character: str) -> bool:
    return character > "\x7f" and unicodedata.category(character)[0] in "SPZC"


def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").split(" ")[0]
