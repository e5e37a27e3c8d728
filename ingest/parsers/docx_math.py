"""Equations in one line, as one would type them: `3/4`, `10^2`, `√(a+b)` (ECMA-376 Part 1, 22.1)."""

from __future__ import annotations

import re
from typing import Any

from ingest.parsers.package import attribute, local
from ingest.parsers.raised import raised

_SKIPPED = {"del", "moveFrom", "delText", "instrText"}
_WHOLE = re.compile(r"[\w.,%°]+|\([^()]*\)")
"""What needs no brackets to be one thing over or under a line."""


def math_text(node: Any) -> str:
    """Return the text of an equation or of what stands in it."""
    text = ""
    for child in node:
        name = local(child)
        if not name or name in _SKIPPED or name.endswith("Pr"):
            continue
        piece = _piece(child, name)
        if name in ("f", "rad") and text[-1:].isdecimal() and piece[:1].isdecimal():
            text += " "  # two and three quarters is 2 3/4
        text += piece
    return text


def _piece(node: Any, name: str) -> str:
    if name == "t":
        return node.text or ""
    if name == "f":
        return f"{_part(node, 'num')}/{_part(node, 'den')}"
    if name in ("sSup", "sSub", "sSubSup", "limLow", "limUpp"):
        return _scripts(_part(node, "e"), node)
    if name == "rad":
        return f"{raised(_plain(node, 'deg'))}√{_part(node, 'e')}"
    if name == "nary":
        return f"{_scripts(_property(node, 'chr', '∫'), node)} {_plain(node, 'e')}"
    if name == "func":
        return f"{_plain(node, 'fName')} {_plain(node, 'e')}"
    if name == "d":
        between = _property(node, "sepChr", "|").join(_each(node, "e"))
        return f"{_property(node, 'begChr', '(')}{between}{_property(node, 'endChr', ')')}"
    if name == "m":
        rows = (", ".join(_each(row, "e")) for row in node if local(row) == "mr")
        return "; ".join(rows)
    return "; ".join(_each(node, "e")) if name == "eqArr" else math_text(node)


def _scripts(base: str, node: Any) -> str:
    """Return a base with what stands below and above it."""
    below, above = _part(node, "sub") or _part(node, "lim"), _plain(node, "sup")
    if local(node) == "limUpp":
        below, above = "", below
    written = f"{base}_{below}" if below else base
    power = raised(above)
    return f"{written}{power}" if power != above or not above else f"{written}^{_one(above)}"


def _one(text: str) -> str:
    return text if not text or _WHOLE.fullmatch(text) else f"({text})"


def _part(node: Any, name: str) -> str:
    """Return a part in brackets where it is more than one number or word."""
    return _one(_plain(node, name))


def _plain(node: Any, name: str) -> str:
    return " ".join(_each(node, name))


def _each(node: Any, name: str) -> list[str]:
    return [math_text(child).strip() for child in node if local(child) == name]


def _property(node: Any, name: str, default: str) -> str:
    """Return a character that the properties of a structure set."""
    for properties in node:
        if local(properties).endswith("Pr"):
            for child in properties:
                if local(child) == name:
                    return attribute(child, "val") or ""
    return default
