"""The numbers and bullets that Word prints before headings and items; they are counted, not written, in the file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ingest.parsers.lists import BULLET
from ingest.parsers.package import attribute, local

LEVELS = 9
_PLACE = re.compile(r"%([1-9])")
_ROMAN = {1000: "m", 900: "cm", 500: "d", 400: "cd", 100: "c", 90: "xc", 50: "l", 40: "xl"} | {
    10: "x", 9: "ix", 5: "v", 4: "iv", 1: "i"
}  # fmt: skip


@dataclass(slots=True)
class _Level:
    start: int = 1
    format: str = "decimal"
    text: str = ""


@dataclass(slots=True)
class _List:
    levels: list[_Level] = field(default_factory=lambda: [_Level() for _ in range(LEVELS)])
    reached: list[int | None] = field(default_factory=lambda: [None] * LEVELS)


class Numbers:
    """Counts through a document's lists in reading order."""

    def __init__(self, numbering: Any, styles: Any) -> None:
        """`numbering` and `styles` are those parts' roots, or nothing."""
        self._lists: dict[str, _List] = {}
        self._lists_of: dict[str, str] = {}
        self._restarts: dict[str, dict[int, int]] = {}
        self._by_style: dict[str, tuple[str, int]] = {}
        for node in numbering if numbering is not None else ():
            if local(node) == "abstractNum":
                self._lists[attribute(node, "abstractNumId") or ""] = _read_list(node)
            elif local(node) == "num":
                self._read_instance(node)
        self._read_styles(styles)

    def label(self, properties: Any) -> str:
        """Return what stands before a paragraph with these properties, and count it."""
        instance, level = self._place(properties)
        found = self._lists.get(self._lists_of.get(instance, ""))
        if found is None:
            return ""
        for at, start in self._restarts.pop(instance, {}).items():
            found.reached[at] = start - 1
        for above in range(level):  # a level skipped counts as begun
            found.reached[above] = found.reached[above] or found.levels[above].start
        before = found.reached[level]
        found.reached[level] = found.levels[level].start if before is None else before + 1
        found.reached[level + 1 :] = [None] * (LEVELS - level - 1)
        return _printed(found, level)

    def _place(self, properties: Any) -> tuple[str, int]:
        """Return a paragraph's list and level: its own, else its style's."""
        instance, level = "", 0
        for child in properties:
            if local(child) == "pStyle":
                instance, level = self._by_style.get(attribute(child, "val") or "", ("", 0))
        for child in properties:
            if local(child) == "numPr":
                own, own_level = _numbered(child)
                instance, level = own or instance, own_level if own_level is not None else level
        return instance, level

    def _read_instance(self, node: Any) -> None:
        instance = attribute(node, "numId") or ""
        for child in node:
            if local(child) == "abstractNumId":
                self._lists_of[instance] = attribute(child, "val") or ""
            elif local(child) == "lvlOverride":
                for override in child:
                    start = attribute(override, "val") or ""
                    if local(override) == "startOverride" and start.isdigit():
                        self._restarts.setdefault(instance, {})[_level(attribute(child, "ilvl"))] = int(start)

    def _read_styles(self, styles: Any) -> None:
        based: dict[str, str] = {}
        for style in styles if styles is not None else ():
            name = attribute(style, "styleId") or ""
            for child in style.iter():
                if local(child) == "basedOn":
                    based[name] = attribute(child, "val") or ""
                elif local(child) == "numPr":
                    instance, level = _numbered(child)
                    self._by_style[name] = instance, level or 0
        for name, parent in based.items():
            if name not in self._by_style and parent in self._by_style:
                self._by_style[name] = self._by_style[parent]


def _numbered(node: Any) -> tuple[str, int | None]:
    """Return the list and the level that a paragraph's or style's properties name."""
    instance, level = "", None
    for child in node:
        if local(child) == "numId":
            instance = attribute(child, "val") or ""
        elif local(child) == "ilvl":
            level = _level(attribute(child, "val"))
    return instance, level


def _level(value: str | None) -> int:
    return min(int(value), LEVELS - 1) if value and value.isdigit() else 0


def _read_list(node: Any) -> _List:
    found = _List()
    for child in node:
        if local(child) != "lvl":
            continue
        level = found.levels[_level(attribute(child, "ilvl"))]
        for item in child:
            value = attribute(item, "val") or ""
            if local(item) == "start" and value.isdigit():
                level.start = int(value)
            elif local(item) == "numFmt":
                level.format = value
            elif local(item) == "lvlText":
                level.text = value
    return found


def _printed(found: _List, level: int) -> str:
    if found.levels[level].format in ("bullet", "none"):
        return BULLET if found.levels[level].format == "bullet" else ""

    def one(place: re.Match[str]) -> str:
        at = int(place[1]) - 1
        reached = found.reached[at]
        return _written(found.levels[at].start if reached is None else reached, found.levels[at].format)

    return _PLACE.sub(one, found.levels[level].text).strip()


def _written(number: int, style: str) -> str:
    if style in ("lowerLetter", "upperLetter") and number > 0:
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters if style == "lowerLetter" else letters.upper()
    if style in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        letters = ""
        for value, sign in _ROMAN.items():
            letters += sign * (number // value)
            number %= value
        return letters if style == "lowerRoman" else letters.upper()
    return f"{number:02d}" if style == "decimalZero" else str(number)
