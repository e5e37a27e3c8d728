"""The figures of a table's column that a question speaks of, in each way in which they may be read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.numbers import MARKS, Mark, measured, read
from core.words import content_words, stem
from generation.languages import language_of

_QUANTITIES = tuple(
    (re.compile(asked, re.IGNORECASE), re.compile(headed, re.IGNORECASE))
    for asked, headed in (
        (
            r"\b(?:cost|price|cheap|expensive|dear(?:er|est)|pay|fee|euro|dollar|pound|kost|preis|teuer|günstig|billig)|[€$£]",
            r"\b(?:cost|price|fee|rate|rent|eur|euro|dollar|usd|pound|gbp|kosten|preis|miete)|[€$£]",
        ),
        (
            r"\b(?:large|big|small|size|square|groß|größ|klein|quadrat)",
            r"\b(?:size|area|größe|fläche|sq(?:uare)?|m2|qm)\b|m²",
        ),
        (r"\b(?:weigh|heav|light(?:er|est)|wieg|schwer|leicht)", r"\b(?:weight|gewicht|mass|kg|g|lbs?)\b"),
        (
            r"\b(?:long|short)(?:er|est)\b|\b(?:läng|kürz)",
            r"\b(?:time|duration|length|days?|weeks?|months?|years?|hours?|minutes?|dauer|länge|tage|wochen|stunden)\b",
        ),
    )
)
"""What a question says of a quantity, and what the head or the first cell of a column of it does."""
_PERIODS = {
    stem(adjective): stem(noun)
    for adjective, noun in {
        "hourly": "hour", "daily": "day", "nightly": "night", "weekly": "week", "monthly": "month", "yearly": "year",
        "annual": "year",
    }.items()
}  # fmt: skip
"""What a head says of a price, and how a question asks for it: "a day"."""
_COMMA_GROUPS = frozenset({"en", "zh", "ja", "ko"})
"""Languages in which a comma groups thousands; in others a point does."""


def values_of(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[list[float]]:
    """Return the figures of the column that a question speaks of, one a row, in each way in which they may be read.

    Nothing where it is not clear which column that is.
    """
    wanted = content_words(question)
    found: list[tuple[int, list[list[float]]]] = []
    for column in range(1, len(names)):
        cells_of = [measured(line[column]) for line in lines]
        figures = [cell for cell in cells_of if cell]
        if len(figures) < len(lines) or len({unit.rstrip("s") for _, unit in figures}) > 1:
            continue  # days beside hours are not to be compared
        values = _read(question, [figure for figure, _ in figures])
        head = content_words(names[column])
        shared = len((head | {_PERIODS[word] for word in head & _PERIODS.keys()}) & wanted)
        told = _tells(question, f"{names[column]} {lines[0][column]}")
        if values and (shared or told):
            # A deposit is told in euros as a price is; what is cheap is told by the head.
            found.append((shared + 2 * told + _tells(question, names[column]), values))
    best = max((score for score, _ in found), default=0)
    clear = [values for score, values in found if score == best]
    return clear[0] if len(clear) == 1 else []


def _read(question: str, column: Sequence[str]) -> list[list[float]]:
    """Return the values of a column for each mark that may stand before its decimals, the same for all its figures.

    Where both may, the thousands are grouped as in the language of the question, if they are grouped so at all.
    """
    found: dict[Mark, list[float]] = {}
    for mark in MARKS:
        values = [value for figure in column if (value := read(figure, mark)) is not None]
        if len(values) == len(column):
            found[mark] = values
    if len(found) > 1:
        group, decimals = (",", MARKS[0]) if language_of(question) in _COMMA_GROUPS else (".", MARKS[1])
        if any(group in figure for figure in column):
            return [found[decimals]]
    return list(found.values())


def _tells(question: str, column: str) -> bool:
    """Whether a question speaks of the quantity of a column; "Price a month" is a price, no time."""
    of = next((asked for asked, headed in _QUANTITIES if headed.search(column)), None)
    return of is not None and of.search(question) is not None
