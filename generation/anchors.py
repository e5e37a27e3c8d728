"""What pins a question to one document: the names and years it gives, looked for in each piece of evidence.

Passages about the same subject in another company's report, or another year's, read as if they answered. A piece of
evidence holds an anchor where its title, file name, headings or text has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

from core.types import Evidence
from core.words import STOPWORDS, stem, words

_WORD = re.compile(r"[^\W_]+(?:['’.&-][^\W_]+)*", re.UNICODE)
_PLAIN_WORD = re.compile(r"[^\W_]+")
_YEAR = re.compile(
    r"(?:\bFY|\bQ[1-4]|\b[1-4]Q|['’]|\b)\s?((?:19|20)\d{2})(?:\b|Q[1-4])|\bFY\s?['’]?(\d{2})\b", re.IGNORECASE
)
_PERIOD = re.compile(r"(?:FY|Q[1-4]|[1-4]Q|H[12]|['’]|\d)+", re.IGNORECASE)
_JOINED = re.compile(r"[\W_]+")

_CALENDAR = frozenset(
    stem(word)
    for word in words("""
        Monday Tuesday Wednesday Thursday Friday Saturday Sunday
        Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag
        January February March April May June July August September October November December
        Januar Februar März Mai Juni Juli Oktober Dezember
    """)
)
"""Written with a capital in English and German; a day or month pins a question to no document."""
PLAIN, TABLES = 0.005, 0.03
"""Shares of words that are amounts beside amounts up to which evidence is prose, and from which it is tables."""
_AMOUNT = re.compile(
    r"-?[$€£]\(?\d[\d.,]*\)?%?|\(?-?\d{1,3}(?:,\d{3})+(?:\.\d+)?\)?%?"
    r"|\(?-?(?<!\d)\d+\.\d+\)?%?|\([$€£]?\d[\d.,]*\)%?|\(?-?(?<!\d)\d+\)?%"
)
"""Money, percentages, decimals and thousands; a bare "8 hours" or "10 days" is prose."""


def anchors(question: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names and the years of a question; a capitalised first word is no name."""
    names: set[str] = set()
    for match in _WORD.finditer(question):
        word = match.group().removesuffix("'s").removesuffix("’s")
        before = question[: match.start()].strip()
        opens = not before.strip("\"'“‘(") or before[-1] in ".!?:"
        named = len(word) > 1 and any(mark.isupper() for mark in word) and word.casefold() not in STOPWORDS
        if named and not _PERIOD.fullmatch(word) and not (opens and word[1:].islower()):
            names.add(stem(_plain(word)))
    return frozenset(names), _years(question)


def anchored(question: str, evidence: Sequence[Evidence]) -> float | None:
    """Return the share of the question's anchors in the piece of evidence that holds most; `None` where it has none.

    Names count together as much as years together. A word that the evidence writes small is no name ("Free cash flow"),
    as long as another name is left; a weekday or a month is none.
    """
    names, years = anchors(question)
    names -= _CALENDAR
    names = names - written_small(item.hit.chunk.text for item in evidence) or names
    wanted = [kind for kind in (names, years) if kind]
    if not wanted or not evidence:
        return None
    return max(sum(_held(kind, item) for kind in wanted) / len(wanted) for item in evidence)


def written_small(texts: Iterable[str]) -> frozenset[str]:
    """Return the stems of the words that texts write small."""
    return frozenset().union(*map(_small_stems, texts))


@lru_cache(maxsize=2048)
def _small_stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in _PLAIN_WORD.findall(text) if word.islower())


def figures(evidence: Sequence[Evidence]) -> float:
    """Return how much of the evidence is figures, from 0 (prose) to 1 (tables of a financial report)."""
    shares = [_share_of_amounts(item.hit.chunk.text) for item in evidence]
    return min(1.0, max(0.0, (sum(shares) / len(shares) - PLAIN) / (TABLES - PLAIN))) if shares else 0.0


@lru_cache(maxsize=2048)  # the same passages come back, question after question
def _share_of_amounts(text: str) -> float:
    """Return the share of words that are amounts beside other amounts, as in the rows of tables; a price is prose."""
    found = [word.strip("|;:.,") for word in text.split() if any(map(str.isalnum, word))]
    amounts = [False, *(bool(_AMOUNT.fullmatch(word)) for word in found), False]
    beside = sum(
        here and (before or after) for before, here, after in zip(amounts, amounts[1:], amounts[2:], strict=False)
    )
    return beside / len(found) if found else 0.0


def _held(kind: frozenset[str], item: Evidence) -> float:
    hit = item.hit
    words_here = _stems_and_years(
        f"{hit.title}\n{PurePosixPath(hit.source).stem}\n{hit.chunk.heading}\n{hit.chunk.text}"
    )
    joined = _JOINED.sub("", f"{hit.title} {PurePosixPath(hit.source).stem}").casefold()
    return sum(anchor in words_here or (len(anchor) > 3 and anchor in joined) for anchor in kind) / len(kind)


@lru_cache(maxsize=2048)
def _stems_and_years(text: str) -> frozenset[str]:
    parts = words(_JOINED.sub(" ", text))  # "Coca-Cola" is held where either spelling is
    return frozenset(map(stem, [*parts, *words(text)])) | _years(text)


def _years(text: str) -> frozenset[str]:
    return frozenset(full or f"20{short}" for full, short in _YEAR.findall(text))


def _plain(word: str) -> str:
    return "".join(words(word)) or word.casefold()
