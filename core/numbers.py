"""Numbers as texts spell them, read by value: "1,234.5", "1.234,5", "1 234", "3,5 Prozent", "two million".

English writes a point where much of Europe writes a comma, and the other way round, so that "1.250" is one and a
quarter or a thousand and more. Such a spelling has both readings, but for three zeros, which nobody writes as
decimals; whoever compares two texts finds them apart only where no reading agrees.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

Mark = Literal[".", ","]
MARKS: tuple[Mark, ...] = (".", ",")
"""What stands before the decimals."""
_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
SPELLED = {word: str(value) for value, word in enumerate(_ONES.split())}
SPELLED |= {
    "seventeen": "17",
    "eighteen": "18",
    "nineteen": "19",
    "twenty": "20",
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "hundred": "100",
}
RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
"""Digits of footnotes and powers: they stand behind a number and are none of its own."""
DIGITS = r"\d+(?:[.,]\d+)*+"
"""A number in digits, up to a full stop or comma that no digit follows."""

_SPACES = "\u00a0\u2009\u202f"
_SPACED = rf"\d{{1,3}}(?:[ '’{_SPACES}]\d{{3}})+(?!\d)(?:[.,]\d+)?"
_UNITS = {
    "%": r"%|percent\b|per cent\b|prozent\b",
    "3": r"thousand\b|tausend\b",
    "6": r"millions?\b|million(?:en)?\b|mio\b",
    "9": r"billions?\b|bn\b|milliarden?\b|mrd\b",
}
"""What makes a number of hundredths, or as many zeros long."""
_UNIT = "|".join(f"(?P<{'percent' if power == '%' else f'e{power}'}>{words})" for power, words in _UNITS.items())
_FIGURE = re.compile(
    rf"(?:(?<![\w.])(?P<sign>[-+−])?(?P<digits>{_SPACED}|{DIGITS})[{RAISED}]*"
    rf"|(?<!\w)(?<!\w['’.&-])(?P<word>{'|'.join(SPELLED)})(?!['’.&-]?\w))(?:\s?(?:{_UNIT}))?",
    re.IGNORECASE,
)
_STYLES: dict[Mark, re.Pattern[str]] = {
    ".": re.compile(r"(\d+|[1-9]\d{0,2}(?:,\d{2,3})*,\d{3})(?:\.(\d+))?"),  # also 1,00,000 as in India
    ",": re.compile(r"(\d+|[1-9]\d{0,2}(?:\.\d{3})+)(?:,(\d+))?"),
}
_CELL = re.compile(rf"([^\w]*)({_SPACED}|{DIGITS}(?:\s+{DIGITS})*+)[{RAISED}]*(\D*)")


def read(spelling: str, mark: Mark) -> float | None:
    """Return the value of a number in digits whose decimals follow that mark, `None` where it cannot be so written."""
    plain = _plain(spelling, mark)
    return float(plain) if plain else None


def readings(spelling: str) -> list[float]:
    """Return the values that a number in digits, or one spelled out, may have; none where it is not one number."""
    return [float(plain) for plain in _readings(SPELLED.get(spelling.casefold(), spelling))]


def measured(cell: str) -> tuple[str, str] | None:
    """Return the number in digits that a cell of a table holds, and what stands behind it; `None` for any other cell.

    What stands before it is a sign or a currency.
    """
    found = _CELL.fullmatch(cell)
    if found is None:
        return None
    before, digits, rest = found.groups()
    return ("-" if "-" in before or "−" in before else "") + digits, rest.strip()


def numbers(text: str) -> frozenset[str]:
    """Return every reading of the numbers of a text, each value in one spelling: percents with %, millions with e6."""
    return frozenset().union(*(values for figure in _figures(text) for values in figure))


def lacks(text: str, told: str) -> bool:
    """Whether a text has a number that is told otherwise nowhere in `told`, however both are read."""
    there = numbers(told)
    return not all(any(values <= there for values in figure) for figure in _figures(text))


@lru_cache(maxsize=8192)  # the same passages are held against every claim
def _figures(text: str) -> tuple[tuple[frozenset[str], ...], ...]:
    """Return each number of a text with its readings, each of one value or, as of a date, of several."""
    return tuple(_of(match) for match in _FIGURE.finditer(text))


def _of(match: re.Match[str]) -> tuple[frozenset[str], ...]:
    power = next((int(name[1:]) for name in ("e3", "e6", "e9") if match[name]), 0)
    percent = "%" if match["percent"] else ""
    sign = "-" if match["sign"] in ("-", "−") else ""
    spelling = match["digits"] or SPELLED[match["word"].casefold()]
    found = [frozenset({sign + _value(plain, power) + percent}) for plain in _readings(spelling)]
    if not found or " " in spelling:  # a version, a date, or two numbers side by side
        *parts, last = re.findall(r"\d+", spelling)
        found.append(frozenset({*(_value(part, 0) for part in parts), _value(last, power) + percent}))
    return tuple(found)


def _readings(spelling: str) -> list[str]:
    found = list(dict.fromkeys(plain for mark in _STYLES if (plain := _plain(spelling, mark))))
    return [plain for plain in found if not plain.endswith(".000")] or found


def _plain(spelling: str, mark: Mark) -> str | None:
    """Return a number as digits with at most a point, `None` where it is not one of that style."""
    sign, digits = ("-", spelling[1:]) if spelling.startswith("-") else ("", spelling)
    if re.fullmatch(_SPACED, digits):
        digits = re.sub(rf"[ '’{_SPACES}]", "", digits)
    found = _STYLES[mark].fullmatch(digits)
    if found is None:
        return None
    whole = found[1].replace("," if mark == "." else ".", "")
    return sign + whole + (f".{found[2]}" if found[2] else "")


def _value(plain: str, power: int) -> str:
    """Return a number times ten to a power in its one spelling, exact however long it is."""
    whole, _, decimals = plain.partition(".")
    point = len(whole) + power
    digits = (whole + decimals).ljust(point, "0")
    whole, decimals, unit = digits[:point].lstrip("0"), digits[point:], ""
    if len(whole) > len("000000"):
        whole, decimals, unit = whole[:-6], whole[-6:] + decimals, "e6"
    decimals = decimals.rstrip("0")
    return (whole or "0") + (f".{decimals}" if decimals else "") + unit
