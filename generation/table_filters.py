"""Questions that ask for the rows of a table which meet a condition: "Which plans cost less than 20?".

A reader finds one row that is like the question; which rows meet it is a comparison, and either all of them are the
answer or none is. A condition is a bound ("less than 20", "at least two"), the most or least of a column ("cheapest"),
or a column of yes and no ("which include a loan machine?").
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from itertools import groupby

from core.words import SPELLED, content_words
from generation.passages import Passage
from generation.tables import cells

_ASKS = re.compile(r"\b(?:which|what|list|show|name|welche[rns]?|was)\b", re.IGNORECASE)
_AMOUNT = rf"(?:[€$£]\s?)?(\d[\d.,]*|{'|'.join(SPELLED)})\b"
_BOUNDS: tuple[tuple[str, Callable[[float, float], bool]], ...] = (
    (r"(?:no more than|at most|up to|höchstens|bis zu|maximal)", operator.le),
    (r"(?:no less than|at least|mindestens)", operator.ge),
    (r"(?:(?:less|fewer|cheaper|lower) than|under|below|weniger als|unter)", operator.lt),
    (r"(?:(?:more|higher|dearer) than|more expensive than|over|above|mehr als|über)", operator.gt),
)
_EXTREMES: tuple[tuple[str, bool, Callable[..., float]], ...] = (
    (r"(?:cheapest|least expensive|günstigste\w*|billigste\w*)", True, min),
    (r"(?:most expensive|dearest|teuerste\w*)", True, max),
    (r"(?:lowest|smallest|fewest|shortest|lightest|niedrigste\w*|kleinste\w*|kürzeste\w*)", False, min),
    (r"(?:highest|largest|biggest|longest|heaviest|höchste\w*|größte\w*|längste\w*)", False, max),
)
"""Words, whether they speak of a price, and which value they mean."""
_MONEY = re.compile(r"\b(?:cost|price|cheap|expensive|pay|fee|euro|dollar|pound|kost|preis|teuer)|[€$£]", re.IGNORECASE)
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
    if not _ASKS.search(question):
        return []
    rows = [passage for passage in passages if passage.unit.kind == "row" and passage.header]
    for _, group in groupby(rows, key=lambda row: (row.evidence.marker, row.header)):
        table = list(group)
        names, lines = cells(table[0].header), [cells(row.text) for row in table]
        if len(table) < 2 or not names[0] or any(len(line) != len(names) for line in lines):
            continue
        if not content_words(names[0]) & content_words(question):
            continue  # it lists something else
        kept = _meeting(question, names, lines)
        if kept:
            return [table[index] for index in kept]
    return []


def _meeting(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    for words, meets in _BOUNDS:
        if match := re.search(rf"{words}\s+{_AMOUNT}", question, re.IGNORECASE):
            bound, values = _number(match.group(1)), _values(question, names, lines, money=False)
            return [at for at, value in enumerate(values) if bound is not None and meets(value, bound)]
    if _ORDINAL.search(question):
        return []  # "the second largest": neither the largest nor a list
    for words, money, most in _EXTREMES:
        if re.search(rf"\b{words}", question, re.IGNORECASE):
            values = _values(question, names, lines, money=money)
            return [at for at, value in enumerate(values) if value == most(values)]
    return _ticked(question, names, lines)


def _values(question: str, names: Sequence[str], lines: Sequence[Sequence[str]], *, money: bool) -> list[float]:
    """Return the figures of the column that the question speaks of, one a row; nothing where it is not clear."""
    wanted, paid = content_words(question), money or bool(_MONEY.search(question))
    found: list[tuple[int, list[float]]] = []
    for column in range(1, len(names)):
        matches = [_FIGURE.fullmatch(line[column]) for line in lines]
        if not all(matches) or len({match[2].strip().rstrip("s") for match in matches if match}) > 1:
            continue  # days beside hours are not to be compared
        figures = [_number(match[1]) for match in matches if match]
        numbers = [figure for figure in figures if figure is not None]
        shared = len(content_words(names[column]) & wanted)
        prices = paid and bool(_MONEY.search(names[column] + lines[0][column]))
        if len(numbers) == len(lines) and (shared or prices):
            found.append((shared + 2 * prices, numbers))
    best = max((score for score, _ in found), default=0)
    clear = [numbers for score, numbers in found if score == best]
    return clear[0] if len(clear) == 1 else []


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
