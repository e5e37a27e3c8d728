"""Superscripts in plain text: written so that the figure or the word before them stays what it is."""

from __future__ import annotations

_RAISED = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
_PASSED = " ,;*†‡§¶"
"""What stands among the marks of notes and needs no raised form."""


def raised(text: str) -> str:
    """Return how a superscript is written: a mark or power in raised digits, letters such as in `1st` as they stand.

    Words and numbers are compared, and looked for, without the raised digits behind them (`core.words`).
    """
    marks = text.strip()
    digits = any(character.isdecimal() for character in marks)
    if not digits or any(ord(character) not in _RAISED and character not in _PASSED for character in marks):
        return text
    return text.translate(_RAISED)
