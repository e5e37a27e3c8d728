"""Tiers by an amount: "after 10 years" asks for "Between 3 and 15 years", not for "15+ years".

Also numbered kinds: "Year 4" asks for "Years 3 to 6", not for "Reception to Year 2".
"""

from __future__ import annotations

import math
import re
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
    asked = _asked(question)
    for unit, low, high in _tiers(tier):
        for value, of in asked:
            if of == unit:
                return low <= value <= high
    return None


def _asked(question: str) -> list[tuple[float, str]]:
    if _BETWEEN.search(question):
        return []
    found: list[tuple[float, str]] = []
    for pattern, edge in ((_FROM, _EDGE), (_TO, -_EDGE), (_PLAIN, 0.0)):
        for match in pattern.finditer(question):
            value, unit = _parts(match)
            if unit not in {known for _, known in found}:
                found.append((value + edge, unit))
    return found


def _tiers(text: str) -> list[tuple[str, float, float]]:
    found = []
    for match in _BETWEEN.finditer(text):
        low, high, unit = (part for part in match.groups())
        found.append((_unit(unit), _value(low), _value(high)))
    rest = _BETWEEN.sub(" ", text)
    for pattern, without in ((_FROM, _ABOVE), (_TO, _BELOW)):
        for match in pattern.finditer(rest):
            value, unit = _parts(match)
            edge = _EDGE / 2 if without.match(match.group()) else 0.0
            found.append((unit, value + edge, math.inf) if pattern is _FROM else (unit, -math.inf, value - edge))
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
