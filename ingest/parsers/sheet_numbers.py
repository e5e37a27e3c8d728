"""Numbers of workbooks as their cells show them: in full, with leading zeros, as shares, dates and times."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["plain", "percent", "date", "moment", "elapsed"] | int
"""What a number is shown as: a moment has a time of day, with or without a date; elapsed time passes 24 hours. A whole
number of digits is the least that are shown, as those of a postcode are."""
_BUILT_IN: dict[int, Kind] = {
    **dict.fromkeys((9, 10), "percent"),
    **dict.fromkeys(range(14, 18), "date"),
    **dict.fromkeys((*range(18, 23), 45, 47), "moment"),
    46: "elapsed",
}
"""The number formats that a workbook need not spell out (ECMA-376 Part 1, 18.8.30)."""
_ELAPSED_CODE = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_CLOCK_CODE = re.compile(r"[hs]", re.IGNORECASE)
_DATE_CODE = re.compile(r"[ymd]", re.IGNORECASE)
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.')
"""Of a format code what is shown as it stands, leaves the width of a character, or fills the cell with one."""
_ZEROS = re.compile(r"0{2,30}")
_BRACKETED = re.compile(r"\[[^\]]*\]")
_WHOLE = 1e21
"""Below it a whole number is shown with all its digits: they are an article's or a telephone's."""
_DAY_S = 86_400
_END = 2_958_466
"""The day after the last that a serial number can tell: 31 December 9999."""
_EPOCH = datetime(1899, 12, 30)
_LEAP_DAY = 60
"""Serial numbers count 29 February 1900, which never was: those below are a day behind the rest."""
DAYS_TO_1904 = 1462
"""Workbooks from old Macs count from another day (ECMA-376 Part 1, 18.17.4.1)."""


@dataclass(frozen=True, slots=True)
class Styles:
    """What cells of each style show, and how many days later days are counted."""

    kinds: list[Kind]
    later_days: int


def kind_of(number: int, code: str) -> Kind:
    """Return what a number format shows, by its code where it has one."""
    if not code:
        return _BUILT_IN.get(number, "plain")
    code = _LITERAL.sub("", code)
    if _ELAPSED_CODE.search(code):
        return "elapsed"
    shown = _BRACKETED.sub("", code)
    if "%" in shown:
        return "percent"
    if _ZEROS.fullmatch(digits := shown.partition(";")[0].strip()):
        return len(digits)
    if _CLOCK_CODE.search(shown):
        return "moment"
    return "date" if _DATE_CODE.search(shown) else "plain"


def shown(number: float, kind: Kind, later_days: int) -> str:
    """Return a number as its cell shows it."""
    if not math.isfinite(number):
        return str(number)
    if isinstance(kind, int):
        return f"{int(number):0{kind + (number < 0)}d}" if number.is_integer() else _digits(number)
    if kind == "percent":
        return f"{_digits(number * 100)}%"
    seconds = round(number * _DAY_S)  # a serial number is a fraction of a day and seldom a whole second
    if kind == "elapsed":
        minutes, rest = divmod(abs(seconds), 60)
        return f"{'-' * (seconds < 0)}{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
    if kind == "moment" and 0 <= seconds < _DAY_S:
        return _clock(seconds)
    if kind in ("date", "moment") and _DAY_S <= seconds < (_END - later_days) * _DAY_S:
        return _moment(seconds, later_days)
    return _digits(number)


def _digits(number: float) -> str:
    """Return a number in full where it is whole, else to the 15 digits that spreadsheets keep."""
    whole = number.is_integer() and abs(number) < _WHOLE
    return f"{Decimal(repr(number)) + 0:.0f}" if whole else f"{number:.15g}"


def _moment(seconds: int, later_days: int) -> str:
    days, rest = divmod(seconds, _DAY_S)
    if not later_days and days < _LEAP_DAY:
        days += 1
    day = (_EPOCH + timedelta(days=days + later_days)).date().isoformat()
    return f"{day} {_clock(rest)}" if rest else day


def _clock(seconds: int) -> str:
    """Return a time of day, with seconds where there are some."""
    minutes, rest = divmod(seconds, 60)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}"
    return f"{text}:{rest:02d}" if rest else text
