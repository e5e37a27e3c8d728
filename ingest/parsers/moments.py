"""Times of calendars in plain words: when something is, how long, and how it comes again (RFC 5545)."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

_MOMENT = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:T(\d\d):?(\d\d)(?::?(\d\d))?(Z)?)?", re.IGNORECASE)
_DURATION = re.compile(r"\+?P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?", re.I)
_UNITS = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year", "HOURLY": "hour"}
_DAYS = {
    "MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday", "SA": "Saturday",
    "SU": "Sunday",
}  # fmt: skip
_PLACES = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last", -2: "second to last"}
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def moment(value: str, zone: str) -> str:
    """Return a date, or a date with a time of day and its zone in brackets; nothing for what is neither."""
    found = _read(value)
    return f"{_shown(found)}{_zone(value, zone)}" if found is not None else ""


def stretch(start: str, zone: str, end: str = "", end_zone: str = "", lasts: str = "") -> str:
    """Return from when to when something is; the end is a time, or how long it lasts, as the calendar writes them.

    Of days the end is the day after the last (RFC 5545, 3.6.1); shown is the last.
    """
    begins, ends = _read(start), _read(end)
    if begins is None:
        return ""
    if ends is None and lasts:
        ends, end, end_zone = _later(begins, lasts), start, zone
    if ends is None or type(ends) is not type(begins):
        return moment(start, zone)
    if not isinstance(begins, datetime):
        last = max(begins, ends - timedelta(days=1))
        return _shown(begins) if last == begins else f"{_shown(begins)} – {_shown(last)}"
    if _zone(start, zone) != _zone(end, end_zone):
        return f"{moment(start, zone)} – {moment(end, end_zone)}"
    if ends <= begins:
        return moment(start, zone)
    same_day = isinstance(ends, datetime) and ends.date() == begins.date()
    shown = f"{_shown(begins)}–{_shown(ends)[11:]}" if same_day else f"{_shown(begins)} – {_shown(ends)}"
    return f"{shown}{_zone(start, zone)}"


def repeated(rule: str) -> str:
    """Return a rule of recurrence in words, such as `every 2 weeks on Monday until 2026-12-31`."""
    parts = dict(part.upper().split("=", 1) for part in rule.split(";") if "=" in part)
    unit = _UNITS.get(parts.get("FREQ", "").strip())
    if unit is None:
        return ""
    every = parts.get("INTERVAL", "1").strip()
    words = [f"every {unit}" if every == "1" else f"every {every} {unit}s"]
    if days := [day for part in parts.get("BYDAY", "").split(",") if (day := _weekday(part.strip()))]:
        words.append(f"on {', '.join(days)}")
    if parts.get("BYMONTHDAY"):
        words.append(f"on day {parts['BYMONTHDAY'].replace(',', ', ')} of the month")
    months = [int(part) for part in parts.get("BYMONTH", "").split(",") if part.strip().isdecimal()]
    if named := [_MONTHS[month - 1] for month in months if 0 < month <= len(_MONTHS)]:
        words.append(f"in {', '.join(named)}")
    if parts.get("COUNT"):
        words.append(f"{parts['COUNT']} times")
    if until := moment(parts.get("UNTIL", ""), "")[:10]:
        words.append(f"until {until}")
    return " ".join(words)


def _weekday(part: str) -> str:
    """Return the name of `MO` or `-1FR`."""
    found = re.fullmatch(r"([+-]?\d{1,2})?([A-Z]{2})", part)
    name = _DAYS.get(found[2], "") if found else ""
    if not found or not name or not found[1]:
        return name
    return f"the {_PLACES.get(int(found[1]), found[1])} {name}"


def _read(value: str) -> date | datetime | None:
    found = _MOMENT.fullmatch(value.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    try:
        return date(year, month, day) if found[4] is None else datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None


def _shown(when: date | datetime) -> str:
    if not isinstance(when, datetime):
        return when.isoformat()
    return when.strftime("%Y-%m-%d %H:%M:%S" if when.second else "%Y-%m-%d %H:%M")


def _zone(value: str, zone: str) -> str:
    if value.strip().upper().endswith("Z"):
        return " (UTC)"
    return f" ({zone})" if zone and "T" in value.upper() else ""


def _later(begins: date | datetime, lasts: str) -> date | datetime | None:
    found = _DURATION.fullmatch(lasts.strip())
    if found is None:
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    try:
        return begins + timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        return None
