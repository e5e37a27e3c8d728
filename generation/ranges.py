"""Tiers by an amount: "after 10 years" asks for "Between 3 and 15 years", not for "15+ years"."""

from __future__ import annotations

import math
import re

from core.words import SPELLED, stem

_NUMBER = rf"(\d+(?:\.\d+)?|{'|'.join(SPELLED)})"
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
_EDGE = 1e-6
"""What "after 15 years" is more than fifteen, and "under 3 weeks" less than three."""


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
        found.append((stem(unit.lower()), _value(low), _value(high)))
    rest = _BETWEEN.sub(" ", text)
    for pattern, without in ((_FROM, _ABOVE), (_TO, _BELOW)):
        for match in pattern.finditer(rest):
            value, unit = _parts(match)
            edge = _EDGE / 2 if without.match(match.group()) else 0.0
            found.append((unit, value + edge, math.inf) if pattern is _FROM else (unit, -math.inf, value - edge))
    return found


def _parts(match: re.Match[str]) -> tuple[float, str]:
    value, unit = (part for part in match.groups() if part is not None)
    return _value(value), stem(unit.lower())


def _value(text: str) -> float:
    return float(SPELLED.get(text.lower(), text))
