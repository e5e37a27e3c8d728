"""Conditions that a question sets on the rows of a table by what a column says.

Yes or no ("which include a loan machine?"), nothing ("without a deposit"), a number of something ("which have 3
rooms?"), or words ("which are in shed 1?"). Questions come without their bounds where a number counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.numbers import DIGITS, SPELLED, measured, readings
from core.words import content_words

NEAR = 3
"""Words behind "which" among which stands what is asked for, and before a value those that may deny it."""
_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6", "seventh": "7"}
_COUNTED = re.compile(
    rf"(?:(?P<joined>\b(?:and|or|to|und|oder|bis)|[-–])\s*)?\b(?P<number>{DIGITS}|{'|'.join((*SPELLED, *_ORDINALS))})"
    r"(?:st|nd|rd|th)?(?=[-\s]+(?P<of>[^\W\d]+))",
    re.IGNORECASE,
)
"""A number and what it counts: "3 rooms", "the first floor", and whether it ends a range or a choice."""
_YES = {"yes", "ja", "✓", "✔", "x", "included", "oui", "sí"}
_NO = {"no", "nein", "–", "-", "✗", "✘", "none", "non", ""}
WITHOUT = re.compile(
    r"\b(?:without|no(?!\.)|not|never|none|neither|nor|cannot|ohne|kein\w*|nicht|nie|weder)\b|n['’]t\b", re.IGNORECASE
)
_LISTED = re.compile(r"[,;/]")
_LACKS = re.compile(r"\b(?:no|without(?: an?)?|ohne|keine?[nrms]?)\s+((?:[^\W\d]+\s*){1,3})", re.IGNORECASE)
_NOTHING = {"none", "no", "free", "nil", "keine", "keiner", "kein", "nein", "frei", "–", "-", "—"}


def ticked(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the rows with a yes in the column that a question names, or with a no; nothing where it names none."""
    wanted = content_words(question)
    for column in range(1, len(names)):
        told = [line[column].casefold().strip() for line in lines]
        named = content_words(names[column])
        if named and named <= wanted and set(told) <= _YES | _NO and set(told) & _YES:
            meant = _NO if WITHOUT.search(question) else _YES
            return [at for at, value in enumerate(told) if value in meant]
    return []


def lacking(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the rows with nothing in the column that a question wants nothing of: "without a deposit"."""
    denied = [content_words(match) for match in _LACKS.findall(question)]
    for column in range(1, len(names)):
        named = content_words(names[column])
        if named and any(named <= words for words in denied):
            return [at for at, line in enumerate(lines) if _is_nothing(line[column])]
    return []


def _is_nothing(value: str) -> bool:
    figure = measured(value)
    return not any(readings(figure[0]) or [1.0]) if figure else value.casefold().strip() in _NOTHING


def placed(question: str, names: Sequence[str], lines: Sequence[Sequence[str]], things: Sequence[int]) -> list[int]:
    """Return the rows with the value that a question gives for another column than it asks for; all where none.

    "Which items are in Shed 1?", where the head of the items' column follows the asking word.
    """
    for column in range(len(names)) if things else ():
        values = [line[column] for line in lines]
        if column in things or not of_words(values):
            continue
        if given := [at for at, value in enumerate(values) if _gives(question, value)]:
            return given
    return list(range(len(lines)))


def counted(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the rows with the number that a question gives of what a column counts; all where it gives none.

    "Which flats have 3 rooms?", "on the first floor"; a bound ("at least 3 rooms") is another thing.
    """
    kept = list(range(len(lines)))
    asked = [] if WITHOUT.search(question) else list(_COUNTED.finditer(question))
    for column in range(1, len(names)):
        head, figures = content_words(names[column]), [measured(line[column]) for line in lines]
        if not all(figure and not figure[1] for figure in figures):
            continue
        for match in asked:
            number = match["number"].casefold()
            wanted = readings(_ORDINALS.get(number, number))
            if content_words(match["of"]) & head and not match["joined"]:
                kept = [at for at in kept if any(value in wanted for value in readings(lines[at][column]))]
    return kept


def _gives(question: str, value: str) -> bool:
    """Whether a question has the words of a cell, or of one of the things that it lists, and does not deny them."""
    told = "|".join(re.escape(part.strip()) for part in (value, *_LISTED.split(value)) if len(part.strip()) > 1)
    found = re.search(rf"(?<!\w)(?:{told})(?!\w)", question, re.IGNORECASE) if told else None
    return found is not None and not WITHOUT.search(" ".join(question[: found.start()].split()[-NEAR:]))


def of_words(column: Sequence[str]) -> bool:
    """Whether a column holds words: no figure, and more than yes and no."""
    told = {value.casefold().strip() for value in column}
    return not told <= _YES | _NO and not any(map(measured, told))
