"""Tiers by an amount: "after 10 years" asks for "Between 3 and 15 years", not for "15+ years".

Also numbered kinds: "Year 4" asks for "Years 3 to 6", not for "Reception to Year 2".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from importlib.resources import files

from core.numbers import DIGITS, RAISED, SPELLED, readings
from core.words import stem

_NUMBER = rf"(?<![\w.,])({DIGITS}|(?:{'|'.join(SPELLED)})\b)[{RAISED}]*"
_UNIT = r"\s*(?:full\s+|calendar\s+|business\s+|working\s+)?([a-z]+)"
_MORE = r"more than|over|above|longer than|exceed(?:ing|s)?|beyond"
_LESS = r"fewer than|less than|under|below|shorter than|up to|at most"
_ABOVE = re.compile(rf"{_MORE}|after", re.IGNORECASE)
_BELOW = re.compile(r"fewer|less|under|below|shorter", re.IGNORECASE)
"""Tiers that begin or end just beside their amount."""
_BETWEEN = re.compile(rf"(?:between\s+|from\s+)?{_NUMBER}\s*(?:and|to|[-–])\s*{_NUMBER}{_UNIT}", re.IGNORECASE)
_FROM = re.compile(
    rf"(?:(?:{_MORE}|at least|after)\s+{_NUMBER}{_UNIT})|(?:{_NUMBER}\s*\+{_UNIT})"
    rf"|(?:{_NUMBER}{_UNIT}\s+(?:or|and)\s+(?:more|longer|over|above))",
    re.IGNORECASE,
)
_TO = re.compile(
    rf"(?:(?:{_LESS})\s+{_NUMBER}{_UNIT})|(?:{_NUMBER}{_UNIT}\s+or\s+(?:less|fewer|under|shorter))", re.IGNORECASE
)
_PLAIN = re.compile(rf"{_NUMBER}{_UNIT}", re.IGNORECASE)
_ALIASES = {
    stem(spelling): stem(unit)
    for unit, spellings in {
        "m": "metre meter", "km": "kilometre kilometer", "cm": "centimetre centimeter", "l": "litre liter",
        "kg": "kilo kilogram kilogramme", "g": "gram gramme", "hour": "h hr hrs stunde", "minute": "min mins",
        "year": "yr yrs jahr", "week": "wk wks woche", "day": "tag", "month": "monat", "person": "people personen",
    }.items()
    for spelling in spellings.split()
}  # fmt: skip
"""Units by the stems of their other spellings."""
_EDGE = 1e-6
"""What "after 15 years" is more than fifteen, and "under 3 weeks" less than three."""

_LINES = (files("generation") / "numbered_kinds.txt").read_text(encoding="utf-8").splitlines()
_KINDS = [kind for line in _LINES if not line.startswith("#") for kind in line.split()]
_KIND = rf"({'|'.join(_KINDS)})(?:e?s|n)?"
_JOINT = r"\s*(?:,|and|or|und|oder|to|through|bis|[-–])\s*"
_NUMBERED = re.compile(
    rf"(\b(?:from|above|over|up to|to|until|ab|bis)\s+)?\b{_KIND}\s?:?\s+"
    rf"(\d{{1,3}}(?:{_JOINT}(?:{_KIND.replace('(', '(?:', 1)}\s+)?\d{{1,3}})*)"
    r"(\s*\+|\s+(?:or|and)\s+(?:above|up|over)\b)?(?![.,:]?\d|\s*%)",
    re.IGNORECASE,
)
_THROUGH = re.compile(r"(\d+)\s*(?:to|through|bis|[-–])\D*(\d+)", re.IGNORECASE)


def holds(question: str, text: str) -> bool | None:
    """Whether a sentence holds the amount that a question gives, `False` also where it is of another number of a kind.

    "Year 6 goes to the lake. It costs 315 euros.": the sentence with the number need not be the answer.
    """
    held = fits(question, text)
    return held if held is not None else holds_number(question, text) and None


def holds_number(question: str, text: str) -> bool | None:
    """Whether a text is about the numbered thing asked for ("level 4"); `None` where it numbers none of its kind."""
    asked = [
        (kind, spans[0][0]) for kind, spans in _numbered(question) if len(spans) == 1 and spans[0][0] == spans[0][1]
    ]
    told = [(kind, span) for kind, spans in _numbered(text) for span in spans] if asked else []
    for kind, number in asked:
        spans = [span for of, span in told if of == kind]
        if spans:
            return any(low <= number <= high for low, high in spans)
    return None


def _numbered(text: str) -> list[tuple[str, list[tuple[float, float]]]]:
    """Return each naming of numbered things: their kind, and from which to which number, one or several times."""
    found = []
    for match in _NUMBERED.finditer(text):
        before, kind, numbers, more = match.groups()
        spans = [(float(low), float(high)) for low, high in _THROUGH.findall(numbers)]
        spans += [(float(one), float(one)) for one in re.findall(r"\d+", _THROUGH.sub(" ", numbers))]
        word = (before or "").strip().lower()
        if more or word in ("from", "above", "over", "ab"):
            spans = [(min(low for low, _ in spans), math.inf)]
        elif word:
            spans = [(-math.inf, max(high for _, high in spans))]
        found.append((kind.lower(), spans))
    return found


def fits(question: str, tier: str) -> bool | None:
    """Whether a tier holds the amount a question gives in the same unit; `None` where they name none together."""
    asked: dict[str, float] = {}
    for value, unit, _ in _amounts(question):
        asked.setdefault(unit, value)
    for unit, low, high, _ in _tiers(tier):
        if unit in asked:
            return low <= asked[unit] <= high
    return None


def gives_an_amount(question: str) -> bool:
    """Whether a question gives an amount that a tier may hold."""
    return any(_amounts(question))


def restated(question: str, tiers: Iterable[str]) -> str:
    """Return a question with each amount told as the one tier that holds it, as it was where none or several do.

    A reader finds "8 to 10 m" where it is asked for, and does not see that 9 metres lie in it.
    """
    told = [found for tier in tiers for found in _tiers(tier)]
    for value, unit, (start, end) in sorted(_amounts(question), key=lambda amount: -amount[2][0]):
        holding = {words for of, low, high, words in told if of == unit and low <= value <= high}
        if len(holding) == 1:
            question = question[:start] + holding.pop() + question[end:]
    return question


def _amounts(question: str) -> Iterator[tuple[float, str, tuple[int, int]]]:
    """Yield each amount of a question, its unit, and where number and unit stand; none where it gives a range."""
    if _BETWEEN.search(question):
        return
    taken: set[int] = set()
    for pattern, edge in ((_FROM, _EDGE), (_TO, -_EDGE), (_PLAIN, 0.0)):
        for match in pattern.finditer(question):
            value, unit = _parts(match)
            groups = [group for group in range(1, pattern.groups + 1) if match[group] is not None]
            place = match.start(groups[0]), match.end(groups[-1])
            if place[0] not in taken:
                taken.add(place[0])
                yield value + edge, unit, place


def _tiers(text: str) -> list[tuple[str, float, float, str]]:
    """Return each tier of a text: its unit, from which to which amount it goes, and its words."""
    found = []
    for match in _BETWEEN.finditer(text):
        low, high, unit = (part for part in match.groups())
        found.append((_unit(unit), _value(low), _value(high), match[0]))
    rest = _BETWEEN.sub(" ", text)
    for pattern, without in ((_FROM, _ABOVE), (_TO, _BELOW)):
        for match in pattern.finditer(rest):
            value, unit = _parts(match)
            edge = _EDGE / 2 if without.match(match.group()) else 0.0
            low, high = (value + edge, math.inf) if pattern is _FROM else (-math.inf, value - edge)
            found.append((unit, low, high, match[0]))
    return found


def _parts(match: re.Match[str]) -> tuple[float, str]:
    value, unit = (part for part in match.groups() if part is not None)
    return _value(value), _unit(unit)


def _unit(spelling: str) -> str:
    unit = stem(spelling.lower())
    return _ALIASES.get(unit, unit)


def _value(text: str) -> float:
    """Return an amount; of two readings that of thousands, since no tier is told to a thousandth."""
    return max(readings(text), default=math.nan)
