"""Questions that ask for the rows of a table which meet a condition: "Which plans cost less than 20?".

A reader finds one row that is like the question; which rows meet it is a comparison, and either all of them are the
answer or none is. A condition is a bound ("less than 20", "at least two"), the most or least of a column ("cheapest"),
a column of yes and no ("which include a loan machine?"), or the value of another column ("which are in shed 1?").
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from core.words import SPELLED, content_words
from generation.passages import Passage
from generation.tables import cells

_ASKS = re.compile(r"\b(?:which|what|list|show|name|welche[rns]?|was)\b", re.IGNORECASE)
NEAR = 3
"""Words behind "which" among which stands what is asked for, and before a value those that may deny it."""
_AMOUNT = rf"(?:[€$£]\s?)?(\d[\d.,]*|{'|'.join(SPELLED)})\b"
_BOUNDS: tuple[tuple[str, Callable[[float, float], bool]], ...] = (
    (r"(?:no more than|at most|up to|höchstens|bis zu|maximal)", operator.le),
    (r"(?:no less than|at least|mindestens)", operator.ge),
    (r"(?:(?:less|fewer|cheaper|lower) than|under|below|weniger als|unter)", operator.lt),
    (r"(?:(?:more|higher|dearer) than|more expensive than|over|above|mehr als|über)", operator.gt),
)
_EXTREMES: tuple[tuple[str, Callable[..., float]], ...] = (
    (r"(?:cheapest|least expensive|günstigste\w*|billigste\w*)", min),
    (r"(?:most expensive|dearest|teuerste\w*)", max),
    (r"(?:lowest|smallest|fewest|shortest|lightest|niedrigste\w*|kleinste\w*|kürzeste\w*|leichteste\w*)", min),
    (r"(?:highest|largest|biggest|longest|heaviest|höchste\w*|größte\w*|längste\w*|schwerste\w*)", max),
    (r"(?:costs?|weighs?|kostet|wiegt) (?:the |am )?(?:least|wenigsten)", min),
    (r"(?:costs?|weighs?|kostet|wiegt) (?:the |am )?(?:most|meisten)", max),
)
"""Words, and which value they mean."""
_QUANTITIES = tuple(
    (re.compile(asked, re.IGNORECASE), re.compile(headed, re.IGNORECASE))
    for asked, headed in (
        (
            r"\b(?:cost|price|cheap|expensive|dear(?:er|est)|pay|fee|euro|dollar|pound|kost|preis|teuer|günstig|billig)|[€$£]",
            r"\b(?:cost|price|fee|eur|euro|dollar|usd|pound|gbp|kosten|preis)|[€$£]",
        ),
        (r"\b(?:weigh|heav|light(?:er|est)|wieg|schwer|leicht)", r"\b(?:weight|gewicht|mass|kg|g|lbs?)\b"),
        (
            r"\b(?:long|short)(?:er|est)\b|\b(?:läng|kürz)",
            r"\b(?:time|duration|length|days?|weeks?|months?|years?|hours?|minutes?|dauer|länge|tage|wochen|stunden)\b",
        ),
    )
)
"""What a question says of a quantity, and what the head or the first cell of a column of it does."""
_FIGURE = re.compile(r"\W*(\d[\d.,]*)\s*([^\d]*)")
_ORDINAL = re.compile(
    r"\b(?:second|third|fourth|fifth|next|\d+(?:st|nd|rd|th)|zweit|dritt|viert)[ -]?(?:most|least|\w+est|\w+te\w?)\b",
    re.IGNORECASE,
)
_YES = {"yes", "ja", "✓", "✔", "x", "included", "oui", "sí"}
_NO = {"no", "nein", "–", "-", "✗", "✘", "none", "non", ""}
_WITHOUT = re.compile(r"\b(?:without|no|not|don't|doesn't|ohne|kein\w*|nicht)\b", re.IGNORECASE)


def rows_meeting(question: str, passages: Sequence[Passage]) -> list[Passage]:
    """Return the rows of the first table about what is asked for that meet the question's condition.

    Nothing where the question sets no condition on rows, or no table has a column for it.
    """
    for table in _tables(question, passages):
        if kept := _meeting(question, cells(table[0].header), [cells(row.text) for row in table]):
            return [table[index] for index in kept]
    return []


def not_ordered(question: str, passages: Sequence[Passage]) -> frozenset[int]:
    """Return the `id` of each row of tables of which a question asks the most or least, where none says so.

    Where `rows_meeting` finds no column to compare, each row is as likely the wrong one.
    """
    words = "|".join(words for words, _ in _EXTREMES)
    extreme = _ORDINAL.search(question) or re.search(rf"\b(?:{words})", question, re.IGNORECASE)
    if not extreme:
        return frozenset()
    said = extreme[0].casefold()
    return frozenset(
        id(row)
        for table in _tables(question, passages)
        if not any(said in row.text.casefold() for row in table)
        for row in table
    )


def _tables(question: str, passages: Sequence[Passage]) -> Iterator[list[Passage]]:
    """Yield the rows of each table that lists what a question asks for."""
    if not _ASKS.search(question):
        return
    rows = [passage for passage in passages if passage.unit.kind == "row" and passage.header]
    for _, group in groupby(rows, key=lambda row: (row.evidence.marker, row.header)):
        table = list(group)
        names, lines = cells(table[0].header), [cells(row.text) for row in table]
        whole = len(table) > 1 and names[0] and all(len(line) == len(names) for line in lines)
        if whole and _listed(content_words(question), names, lines):
            yield table


def _listed(asked: frozenset[str], names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the columns that name what is asked for: by their heads, and the first one or one of words."""
    return [
        column
        for column, name in enumerate(names)
        if content_words(name) & asked and (column == 0 or _of_words([line[column] for line in lines]))
    ]


def _of_words(column: Sequence[str]) -> bool:
    """Whether a column holds words: no figure, and more than yes and no."""
    told = {value.casefold().strip() for value in column}
    return not told <= _YES | _NO and not any(map(_FIGURE.fullmatch, told))


def _meeting(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    among = _placed(question, names, lines)
    for words, meets in _BOUNDS:
        if match := re.search(rf"{words}\s+{_AMOUNT}", question, re.IGNORECASE):
            bound, values = _number(match.group(1)), _values(question, names, lines)
            return [at for at in among if values and bound is not None and meets(values[at], bound)]
    if _ORDINAL.search(question):
        return []  # "the second largest": neither the largest nor a list
    for words, most in _EXTREMES:
        if re.search(rf"\b{words}", question, re.IGNORECASE):
            values = _values(question, names, lines)
            return [at for at in among if values and values[at] == most(values[place] for place in among)]
    if ticked := _ticked(question, names, lines):
        return [at for at in ticked if at in among]
    return among if len(among) < len(lines) else []


def _placed(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the rows with the value that a question gives for another column than it asks for; all where none.

    "Which items are in Shed 1?", where the head of the items' column follows the asking word.
    """
    asks = _ASKS.search(question)
    asked = content_words(" ".join(question[asks.end() :].split()[:NEAR])) if asks else frozenset()
    things = _listed(asked, names, lines)
    for column in range(len(names)) if things else ():
        values = [line[column] for line in lines]
        if column in things or not _of_words(values):
            continue
        if given := [at for at, value in enumerate(values) if _gives(question, value)]:
            return given
    return list(range(len(lines)))


def _gives(question: str, value: str) -> bool:
    """Whether a question has the words of a cell, and does not deny them."""
    found = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", question, re.IGNORECASE) if len(value) > 1 else None
    return found is not None and not _WITHOUT.search(" ".join(question[: found.start()].split()[-NEAR:]))


def _values(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[float]:
    """Return the figures of the column that the question speaks of, one a row; nothing where it is not clear."""
    wanted = content_words(question)
    found: list[tuple[int, list[float]]] = []
    for column in range(1, len(names)):
        matches = [_FIGURE.fullmatch(line[column]) for line in lines]
        if not all(matches) or len({match[2].strip().rstrip("s") for match in matches if match}) > 1:
            continue  # days beside hours are not to be compared
        figures = [_number(match[1]) for match in matches if match]
        numbers = [figure for figure in figures if figure is not None]
        shared = len(content_words(names[column]) & wanted)
        told = _tells(question, f"{names[column]} {lines[0][column]}")
        if len(numbers) == len(lines) and (shared or told):
            found.append((shared + 2 * told, numbers))
    best = max((score for score, _ in found), default=0)
    clear = [numbers for score, numbers in found if score == best]
    return clear[0] if len(clear) == 1 else []


def _tells(question: str, column: str) -> bool:
    """Whether a question speaks of the quantity of a column; "Price a month" is a price, no time."""
    of = next((asked for asked, headed in _QUANTITIES if headed.search(column)), None)
    return of is not None and of.search(question) is not None


def _ticked(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    wanted = content_words(question)
    for column in range(1, len(names)):
        told = [line[column].casefold().strip() for line in lines]
        named = content_words(names[column])
        if named and named <= wanted and set(told) <= _YES | _NO and set(told) & _YES:
            meant = _NO if _WITHOUT.search(question) else _YES
            return [at for at, value in enumerate(told) if value in meant]
    return []


def _number(text: str) -> float | None:
    plain = SPELLED.get(text.casefold(), text).rstrip(".,")
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", plain):
        plain = plain.replace(",", "")
    elif re.fullmatch(r"\d+,\d{1,2}", plain):
        plain = plain.replace(",", ".")
    try:
        return float(plain)
    except ValueError:
        return None
