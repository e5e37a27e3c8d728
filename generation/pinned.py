"""Pieces that speak of another than the one asked about.

A question names whom or which year it is about ("sold to TRANSPAC", "in 2024"). A piece beside the sentence that names
it reads as if it answered and is about DATAPAC. Where some evidence has the name, a piece must have it too: in itself,
its headings, its document's title, or the piece before. A name that no evidence has says nothing about a piece (often
it is the organisation's own); what that does to an answer, `generation.answerable` weighs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from pathlib import PurePosixPath
from typing import TypeAlias

from core.clock import now
from core.sentences import split_units
from core.types import Evidence
from core.words import stem, words
from generation.anchors import anchors, written_small
from generation.identifiers import rivalled
from generation.passages import Passage

SHORTEST = 3
"""Letters of a name that may be a part of a file's: "buy" in BESTBUY."""
ALIKE = 6
"""Letters in which two words of one name agree: Aristotle and Aristotelian."""
Pins: TypeAlias = frozenset[frozenset[str]]
"""Names and years of which a piece must have every one; of those that a question sets side by side, any."""
_LAST_YEAR = re.compile(
    r"\blast year\b|\b(?:letzte|vorige|vergangene)[snm]? jahr\b|\bvorjahr\b|\bl['’]an(?:née)? (?:dernière?|passée?)\b"
    r"|\baño pasado\b",
    re.IGNORECASE,
)
_WEEKS = (
    ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    ("montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag"),
)
_DAY = (
    r"\b((?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:days?)?"
    r"|(?:mon|diens|donners|frei|sams|sonn)tags?|mittwochs?|(?-i:Mo|Di|Mi|Do|Fr|Sa|So))\b\.?"
)
_DAYS = re.compile(rf"{_DAY}\s*(?:to|through|until|till|bis|[-–])\s*{_DAY}", re.IGNORECASE)
_EVERY_DAY = re.compile(r"\b(?:daily|every day|all week|seven days a week|täglich|jeden Tag)\b", re.IGNORECASE)
_WORKDAYS = re.compile(r"\b(?:weekdays|working days|werktags|wochentags)\b", re.IGNORECASE)
_PARTS = re.compile(r"[-/_–]")
_JOINED = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
"""Where words and numbers meet in a file's name: BestBuy_2024Q2."""
_ONE = r"[A-Z0-9][\w.’'-]*"
_VERSION = re.compile(r"(?<![\w.])\d++(?:\.\d+){2,}+(?![\w.]*\w)")
_MAIL = re.compile(r"(?:(?:Subject|From|To|Cc|Date): [^\n]*(?:\n|$)){3,}")
_LISTING = re.compile(
    rf"(?<!\w)(?<!\w[.’'-]){_ONE}(?:(?:,\s|,?\s(?:and|or|und|oder|et|ou|y|o|vs\.?|versus)\s(?:the\s|in\s)?){_ONE})+"
)
"""Names of one word each, or years, set side by side."""


def pinned_by(question: str, evidence: Sequence[Evidence]) -> Pins:
    """Return the names and years of a question that some evidence has; a word also written small is no name.

    Names that a question sets side by side ("Germany and Austria") are one pin: a piece has to speak of one of them.
    """
    names, years = anchors(question)
    if not names and not years:
        return frozenset()
    texts = [_around(item) + item.hit.chunk.text for item in evidence]
    have = frozenset().union(*map(_stems, texts))
    small = written_small(texts)
    found = {name for name in names | years if name not in small and _held(name, have)}
    return frozenset(_side_by_side(question, name, found) for name in found)


def with_last_year(question: str) -> str:
    """Return a question that speaks of "last year" with that year."""
    return f"{question} {now().year - 1}" if _LAST_YEAR.search(question) else question


def names_a_year(question: str) -> bool:
    """Whether a question says of which year it is."""
    return bool(anchors(with_last_year(question))[1])


def _side_by_side(question: str, name: str, found: Set[str]) -> frozenset[str]:
    """Return a name with those that stand beside it in an enumeration."""
    beside = {name}
    for listing in _LISTING.findall(question):
        listed = (_stems(listing) | anchors(listing)[1]) & found
        if name in listed:
            beside |= listed
    return frozenset(beside)


def speaks_of(pins: Pins, passage: Passage) -> bool:
    """Whether a piece has every name and year of the question that evidence has."""
    if not pins:
        return True
    own = f"{_around(passage.evidence)}{passage.header}\n{passage.in_context}\n{_before(passage)}"
    have = _stems(own) | _weekdays(own)
    filed = frozenset(words(_PARTS.sub(" ", _file_name(passage.evidence))))
    return all(any(_held(name, have) or _filed(name, filed) for name in alike) for alike in pins)


def _weekdays(text: str) -> frozenset[str]:
    """Return the stems of the weekdays that a text spans: "Monday to Friday" speaks of Tuesday."""
    found: set[str] = set()
    for week in _WEEKS:
        for ends in _DAYS.findall(text):
            places = [at for end in ends for at, day in enumerate(week) if day.startswith(end.lower()[:SHORTEST])]
            if len(places) == 2:
                found |= {week[(places[0] + step) % 7] for step in range((places[1] - places[0]) % 7 + 1)}
        found |= set(week if _EVERY_DAY.search(text) else week[:5] if _WORKDAYS.search(text) else ())
    return frozenset(map(stem, found))


def _around(item: Evidence) -> str:
    hit = item.hit
    return f"{hit.title}\n{_file_name(item)}\n{hit.chunk.heading}\n{_letter_head(hit.chunk.text)}"


def _file_name(item: Evidence) -> str:
    """Return the name of the file as words."""
    return _JOINED.sub(" ", PurePosixPath(item.hit.source).stem)


def _letter_head(text: str) -> str:
    """Return who writes to whom, where a passage begins a mail: all of it speaks of them."""
    found = _MAIL.match(text)
    return found[0] if found else ""


def of_version(question: str, passages: Sequence[Passage]) -> Sequence[Passage]:
    """Return the pieces that are of no other version ("2.4.1") than the one asked about, where any is of that one."""
    asked = set(_VERSION.findall(question))
    named = [set(_VERSION.findall(passage.in_context)) for passage in passages] if asked else []
    if not any(asked & versions for versions in named):
        return passages
    return [one for one, versions in zip(passages, named, strict=True) if not versions or asked & versions]


def of_number(question: str, passages: Sequence[Passage]) -> Sequence[Passage]:
    """Return the pieces that speak of the numbered thing asked about, where evidence names others of its kind."""
    rivals = rivalled(question, list({id(one.evidence): one.evidence for one in passages}.values()))
    pins = frozenset(frozenset(token.lower() for token in tokens) for tokens in rivals)
    return [one for one in passages if speaks_of(pins, one)] or passages if pins else passages


def _before(passage: Passage) -> str:
    """Return the unit before a piece, which often names what the piece goes on about."""
    text = passage.evidence.hit.chunk.text
    ended = [unit for unit in split_units(text) if unit.end <= passage.unit.start]
    return text[ended[-1].start : ended[-1].end] if ended else ""


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in words(_PARTS.sub(" ", text)))


def _held(name: str, have: frozenset[str]) -> bool:
    if name in have:
        return True
    if not name.isalpha() or len(name) < 4:
        return False
    return any(word.startswith(name) or (len(name) >= ALIKE and word[:ALIKE] == name[:ALIKE]) for word in have)


def _filed(name: str, filed: frozenset[str]) -> bool:
    """Whether a word of a file's name, whose words are often written as one, begins or ends with a name."""
    return (
        name.isalpha() and len(name) >= SHORTEST and any(word.startswith(name) or word.endswith(name) for word in filed)
    )
