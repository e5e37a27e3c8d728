"""Superscripts in plain text: written so that the figure or the word before them stays what it is."""

from __future__ import annotations

import re

_RAISED = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
_PASSED = " ,;*†‡§¶"
"""What stands among the marks of notes and needs no raised form."""
_BEGUN = re.compile(r"\^\d+")


def raised(text: str, before: str) -> str:
    """Return how a superscript is written behind some text: `m²`, `10^2`, and letters such as in `1st` as they stand.

    After a digit a caret parts them: search folds `²` into `2`, and 10² would be found as 102. `before` may be the
    piece before only; where that is a superscript that the caret began, this one goes on with it.
    """
    marks = text.strip()
    digits = any(character.isdecimal() for character in marks)
    if not digits or any(ord(character) not in _RAISED and character not in _PASSED for character in marks):
        return text
    if marks.isdecimal() and _BEGUN.fullmatch(before):
        return text
    return f"^{text.lstrip()}" if before[-1:].isdecimal() and marks[0].isdecimal() else text.translate(_RAISED)
