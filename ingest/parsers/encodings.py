"""Which encoding bytes are in that carry no mark and are no UTF-8: the one in which they read as some language best.

Statistics of bytes alone take Spanish for Romanian and Czech for anything. So each candidate's reading is scored by how
surely it is some language, less what no language does: signs and capitals inside words, two scripts in one word.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from ingest.language import identify

# The likeliest first: among readings that are equally good, the first is taken.
_SINGLE = (
    "cp1252", "cp1250", "iso8859_2", "cp1251", "koi8_u", "cp1253", "iso8859_7", "cp1254", "cp1255", "cp1256",
    "iso8859_6", "cp1257", "cp866", "iso8859_5", "mac_roman", "cp850", "cp874",
)  # fmt: skip
_LANGUAGES = {
    "cp1252": {
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "nl",
        "sv",
        "da",
        "no",
        "fi",
        "is",
        "ca",
        "gl",
        "eu",
        "af",
        "id",
        "ms",
    },
    "cp1250": {"pl", "cs", "sk", "hu", "sl", "hr", "bs", "ro", "sq"},
    "cp1254": {"tr", "az"},
    "cp1257": {"lt", "lv", "et"},
}
_LANGUAGES["iso8859_2"] = _LANGUAGES["cp1250"]
_AT_HOME = 0.1
"""What a reading gains whose language is one that its encoding was made for."""
_KANA, _HANGUL = re.compile("[\u3040-\u30ff]"), re.compile("[\uac00-\ud7af]")
_CHINESE = re.compile(
    "[的一是不了在人有我他这中大来上国个到们为和地出以时年会对可生就要部成行公司這個為國來們時對業務產報告，。]"
)
_USUAL = {
    "cp932": (_KANA, 0.15),
    "euc_jp": (_KANA, 0.15),
    "gb18030": (_CHINESE, 0.05),
    "big5": (_CHINESE, 0.05),
    "cp949": (_HANGUL, 0.6),
}
"""East Asian encodings: the characters that must be there, and their least share."""
_SAMPLE_BYTES = 4000
_TOLERANCE = 0.02
_CONTROL = re.compile(r"[\x80-\x9f\ufffd\ue000-\uf8ff]")
_WORD = re.compile(r"[^\s\d_.,;:!?()\[\]\"'“”‘’«»—–/-]+")
_EAST_ASIAN = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]")
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
    for line in content[:1_000_000].splitlines():
        if not line.isascii():
            lines.append(line)
            size += len(line)
        if size > _SAMPLE_BYTES:
            break
    return b"\n".join(lines)[: 4 * _SAMPLE_BYTES]


def _score(sample: bytes, encoding: str) -> float:
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError as error:
        if len(sample) - error.start > 4:  # the sample may end within a character
            return -1.0
        text = sample[: error.start].decode(encoding)
    if _CONTROL.search(text):
        return -1.0
    odd = sum(1 for character in text if character > "\x7f")
    if encoding in _USUAL:
        return _east_asian(text, encoding, odd)
    code, sure = identify(text)
    at_home = _AT_HOME if code in _LANGUAGES.get(encoding, ()) else 0.0
    return sure + at_home - _faults(text) / max(odd, 1)


def _east_asian(text: str, encoding: str, odd: int) -> float:
    """Score a reading by whether it is all East Asian, with the characters that its language cannot do without."""
    east = len(_EAST_ASIAN.findall(text))
    if east < 0.8 * odd or _among_latin(text) > 0.2 * odd:
        return -1.0
    usual, least = _USUAL[encoding]
    return 0.95 if len(usual.findall(text)) >= least * east else 0.3


def _among_latin(text: str) -> int:
    """Count East Asian characters between Latin letters: accents, misread."""
    return len(
        re.findall(r"(?<=[a-z])[\u3400-\u9fff\uac00-\ud7af\uff61-\uff9f](?=[a-z])|(?<=[A-Z])[\uff61-\uff9f]", text)
    )


def _faults(text: str) -> int:
    """Count what no language does."""
    faults = 0
    for found in _WORD.finditer(text):
        word = found[0]
        if word.isascii():
            continue
        scripts = {_script(character) for character in word if unicodedata.category(character)[0] in "LM"}
        faults += 2 * (len(scripts - {"COMBINING"}) > 1 and not _EAST_ASIAN.search(word))
        for before, after in pairwise(word):
            faults += before.islower() and after.isupper()
            faults += before.isalpha() and after > "\x7f" and unicodedata.category(after)[0] in "SP"
            faults += after.isalpha() and before > "\x7f" and unicodedata.category(before)[0] in "SP"
    return faults


def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").split(" ")[0]
