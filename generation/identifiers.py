"""Numbered names ("Brewmaster 300", "E05"): one number off is another thing, though all else reads alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from core.types import Evidence
from core.words import STOPWORDS

_NUMBERED = re.compile(r"\b([A-Z][a-z]+(?:[A-Z]\w*)?)[ -](\d{1,4}[A-Za-z]?)\b(?![.,]?\d)")
_CODE = re.compile(r"\b([A-Z]{1,3})-?(\d{2,4})\b(?![.,]?\d)")
_YEAR = re.compile(r"(?:19|20)\d\d")
_PERIODS = {"FY", "Q", "H", "CET", "UTC", "GMT", "EUR", "USD", "GBP", "CHF"}
_MONTHS = "jan feb mar mär apr may mai jun jul aug sep oct okt nov dec dez"


def identifiers(question: str) -> frozenset[tuple[str, str]]:
    """Return the numbered names of a question as (name, number); dates, periods and its first word are none."""
    opening = re.match(r"\W*\w+", question)
    found = set()
    for pattern in (_NUMBERED, _CODE):
        for match in pattern.finditer(question, opening.end() if opening and pattern is _NUMBERED else 0):
            name, number = match.groups()
            dated = _YEAR.fullmatch(number) or name.upper() in _PERIODS or name[:3].lower() in _MONTHS.split()
            if not dated and name.lower() not in STOPWORDS:
                found.add((name, number))
    return frozenset(found)


def rivalled(question: str, evidence: Sequence[Evidence]) -> list[tuple[str, str]]:
    """Return the words for each numbered thing of a question that the evidence names beside others of its kind."""
    asked = identifiers(question)
    texts = [_whole(item) for item in evidence] if asked else []
    return [(number, f"{name}{number}") for name, number in asked if {number} < _numbers(name, texts)]


def stranger(question: str, evidence: Sequence[Evidence]) -> bool:
    """Whether a question is about one of a numbered kind of which the evidence knows others and never this one."""
    asked = identifiers(question)
    texts = [_whole(item) for item in evidence] if asked else []
    return any(
        _numbers(name, texts) and not any(re.search(_named(name, number), text) for text in texts)
        for name, number in asked
    )


def _named(name: str, number: str) -> str:
    """Return the pattern of a numbered name: a code with its letters ("KX-300", "KX-100/300"), of others the number."""
    if not name.isupper():
        return rf"(?<!\d){number}(?!\d)"
    return rf"\b{name}[ -]?(?:\d{{1,4}}\s*(?:[/,&]|and|or|und|oder)\s*-?)*{number}(?!\d)"


def _numbers(name: str, texts: Sequence[str]) -> set[str]:
    pattern = re.compile(rf"\b{re.escape(name)}[ -]?(\d{{1,4}}[A-Za-z]?)\b(?![.,]?\d)")
    return {number for text in texts for number in pattern.findall(text) if not _YEAR.fullmatch(number)}


def _whole(item: Evidence) -> str:
    hit = item.hit
    return f"{hit.title}\n{PurePosixPath(hit.source).stem}\n{hit.chunk.heading}\n{hit.chunk.text}"
