"""What a text says of the days between which it is in force: "Valid from 1 January 2026", "gültig ab 1.1.2026".

English, German, Spanish and French. Only what is said plainly counts: a whole date, or a month with its year, right
after words that say what it means. Of two beginnings, or of 3/4/2026, which is read in two ways, nothing is believed.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

OPENING = 400
"""Characters of a document within which it says when it is in force; further down one clause of it does."""

_NAMES = {
    1: "january jan januar janner enero janvier",
    2: "february feb februar febrero fevrier",
    3: "march mar marz marzo mars",
    4: "april apr abril avril",
    5: "may mai mayo",
    6: "june jun juni junio juin",
    7: "july jul juli julio juillet",
    8: "august aug agosto aout",
    9: "september sep sept septiembre septembre",
    10: "october oct oktober octubre octobre",
    11: "november nov noviembre novembre",
    12: "december dec dezember diciembre decembre",
}
_MONTHS = {name: month for month, names in _NAMES.items() for name in names.split()}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATE = (
    r"(?:\d{4}-\d\d-\d\d|\d\d?\.\s?\d\d?\.\s?\d{4}|\d\d?/\d\d?/\d{4}"
    rf"|(?:\d\d?(?:st|nd|rd|th|er|\.)? (?:of |de )?)?(?:{_MONTH})\b"
    r"\.?,? (?:\d\d?(?:st|nd|rd|th)?,? )?(?:del? )?\d{4})"
    r"(?![\d/.-]*\d)"
)
_FROM = (
    r"\b(?:valid (?:as )?(?:from|of|since)|effective(?: date:?)?(?: (?:as )?(?:from|of|on))?|with effect from"
    r"|in (?:force|effect) (?:as )?(?:from|of|since)|appl(?:y|ies|icable) (?:as )?(?:from|of)"
    r"|(?:comes?|came|enters?|entered) into (?:force|effect) on|takes? effect (?:on|from)"
    r"|(?:gultig|gilt|gelten|wirksam|in kraft)(?: ist| sind)? (?:ab|seit|vom|von)(?: dem)?|tr(?:itt|eten|at|aten) am"
    r"|(?:valables?|valides?|applicables?|en vigueur) (?:a (?:partir|compter) du|des le|depuis le|du|le)"
    r"|(?:valid[oa]s?|vigentes?|aplicables?|en vigor|rigen?) (?:a partir del?|desde(?: el)?|del|el))"
)
_SINCE = r"\b(?:(?:as )?from|ab|a (?:partir|compter) du|a partir del?|desde(?: el)?)"
"""What says it in a title, where nothing else can be meant."""
_UNTIL = r"(?:to|until|till|through|bis(?: zum)?|jusqu['’]?\s?au|au|al|hasta(?: el)?)"
_BEGINS = re.compile(rf"{_FROM} ({_DATE})(?:,? {_UNTIL} ({_DATE}))?")
_TITLED = re.compile(rf"{_SINCE} ({_DATE})(?:,? {_UNTIL} ({_DATE}))?")
_ENDS = re.compile(
    r"\b(?:valid|effective|in (?:force|effect)|gultig|gilt|gelten|valables?|valides?|en vigueur|valid[oa]s?|vigentes?"
    rf"|en vigor) {_UNTIL} ({_DATE})"
)
_YEAR = re.compile(r"(?<!\d)20\d\d(?!\d)")


@dataclass(frozen=True, slots=True)
class Span:
    """The first and the last day on which something is in force; `None` where it does not say."""

    first: date | None = None
    last: date | None = None


@lru_cache(maxsize=2048)  # the same passages come back, question after question
def in_force(opening: str, title: str = "") -> Span:
    """Return the span that the opening of a document gives, its title where the opening gives none."""
    return _spoken(_BEGINS, _folded(opening[:OPENING])) or _spoken(_TITLED, _folded(title)) or _ending(opening)


def years_of(name: str) -> frozenset[int]:
    """Return the years of this century that a title or the name of a file holds."""
    return frozenset(map(int, _YEAR.findall(name)))


def _spoken(pattern: re.Pattern[str], text: str) -> Span | None:
    spans = {Span(_day(first), _day(last) if last else None) for first, last in pattern.findall(text)}
    spans = {span for span in spans if span.first is not None}
    return spans.pop() if len(spans) == 1 else None


def _ending(opening: str) -> Span:
    days = {_day(last) for last in _ENDS.findall(_folded(opening[:OPENING]))}
    return Span(None, days.pop()) if len(days) == 1 else Span()


def _day(text: str) -> date | None:
    """Return the day that a date names, the first of a month that stands without one; `None` where it is unclear."""
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    month = next((_MONTHS[word] for word in re.findall(r"[a-z]+", text) if word in _MONTHS), None)
    if month is not None:
        day, year = (numbers[0] if len(numbers) > 1 else 1), numbers[-1]
    elif "-" in text:
        year, month, day = numbers
    else:
        day, month, year = numbers
        if "/" in text and month > 12:
            day, month = month, day
        elif "/" in text and day <= 12 and day != month:
            return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _folded(text: str) -> str:
    """Return a text small, without accents, on one line, so that one pattern meets every spelling."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(mark for mark in plain if not unicodedata.combining(mark)).split())
