"""Words compared as a reader would: content words by stem, names as written."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from importlib.resources import files

from core.numbers import RAISED

_WORD = re.compile(r"[^\W_]+(?:['’.&-][^\W_]+)*", re.UNICODE)
_FOOTNOTE = re.compile(rf"(?:(?<=\d)|(?<=[^\W\d_]{{3}}))[{RAISED}]+")
"""A raised digit behind a number or a word; behind a letter or two it is part of a unit or a formula: m², CO₂."""
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|cannot|without|nobody|nothing|n't|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|"
    r"can't|couldn't|won't|wouldn't|shouldn't|hasn't|haven't|hadn't|nicht|kein\w*|ne|pas|jamais|nunca|ni)\b|n['’]t\b",
    re.IGNORECASE,
)
STOPWORDS = frozenset((files("core") / "stopwords.txt").read_text(encoding="utf-8").split())
"""Words that carry grammar, not meaning: English, and the most frequent of German, French and Spanish."""


def words(text: str) -> list[str]:
    """Return the words of a text in lower case without accents; each ideograph counts as a word."""
    if text.isascii():  # nothing to fold: most passages, at a third of the time
        return _WORD.findall(text.lower())
    plain = unicodedata.normalize("NFKD", without_marks(text).casefold())
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark))
    found = [word for word in _WORD.findall(plain) if not _CJK.search(word)]
    return found + _CJK.findall(plain)


def without_marks(text: str) -> str:
    """Return a text without the raised digits of notes and powers behind its numbers and words."""
    return text if text.isascii() else _FOOTNOTE.sub("", text)


@lru_cache(maxsize=1 << 15)
def stem(word: str) -> str:
    """Return a crude English stem, so that `accrues` meets `accrued`; exactness is not needed, agreement is."""
    word = word.replace("’", "'").removesuffix("'s")
    for ending in (
        "ingly",
        "edly",
        "ations",
        "ation",
        "ments",
        "ment",
        "ings",
        "ing",
        "ied",
        "ies",
        "ers",
        "ed",
        "es",
        "er",
        "ly",
        "s",
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] in "eyi" else word


@lru_cache(maxsize=8192)  # the same passages are held against every claim, and come back with other questions
def content_words(text: str) -> frozenset[str]:
    """Return the stems of the words that carry meaning."""
    return frozenset(
        stem(word) for word in words(text) if word not in STOPWORDS and (len(word) > 1 or not word.isascii())
    )


def coverage(wanted: str | frozenset[str], text: str | frozenset[str]) -> float:
    """Return the share of the wanted content words that the text holds, 1.0 where none are wanted."""
    needles = content_words(wanted) if isinstance(wanted, str) else wanted
    if not needles:
        return 1.0
    hay = content_words(text) if isinstance(text, str) else text
    return len(needles & hay) / len(needles)


def names(text: str) -> frozenset[str]:
    """Return the capitalised words that do not open a sentence, without their case."""
    found: set[str] = set()
    for match in _WORD.finditer(text):
        before = text[: match.start()].rstrip(" \"'“‘([*_")
        opens = not before or before[-1] in ".!?:\n|•"
        word = match.group()
        if word[0].isupper() and not opens and word.casefold() not in STOPWORDS and len(word) > 1:
            found.update(stem(part) for part in words(word))
    return frozenset(found)


def negated(text: str) -> bool:
    """Whether the text holds a negation."""
    return _NEGATION.search(text) is not None
