"""Questions that ask for the rows of a table which meet a condition: "Which plans cost less than 20?".

A reader finds one row that is like the question; which rows meet it is a comparison, and either all of them are the
answer or none is. A condition is a bound ("less than 20", "at least two"), the most or least of a column ("cheapest"),
a column of yes and no ("which include a loan machine?"), the number of what a column counts ("which have 3 rooms?"),
or the value of another column ("which are in shed 1?").
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TypeAlias

from core.numbers import DIGITS, MARKS, SPELLED, Mark, measured, read, readings
from core.words import STOPWORDS, content_words, words
from generation.languages import language_of
from generation.passages import Passage
from generation.tables import SAYS_NOTHING, cells

_ASKS = re.compile(r"\b(?:which|what|list|show|name|how many|welche[rns]?|was|wie viele)\b", re.IGNORECASE)
NEAR = 3
"""Words behind "which" among which stands what is asked for, and before a value those that may deny it."""
_AMOUNT = rf"(?:[€$£]\s?)?({DIGITS}|{'|'.join(SPELLED)})\b"
Meets: TypeAlias = Callable[[float, float], bool]
_BOUNDS: tuple[tuple[str, Meets], ...] = (
    (r"(?:no more than|nicht mehr als|at most|up to|höchstens|bis zu|maximal)", operator.le),
    (r"(?:no less than|no fewer than|nicht weniger als|at least|mindestens)", operator.ge),
    (
        r"(?:(?:less|fewer|cheaper|lower|smaller|shorter|lighter) than|under|below"
        r"|(?:weniger|kleiner|kürzer|leichter|billiger) als|unter)",
        operator.lt,
    ),
    (
        r"(?:(?:more|higher|dearer|larger|bigger|greater|longer|heavier) than|more expensive than|over|above"
        r"|(?:mehr|größer|länger|schwerer|teurer) als|über)",
        operator.gt,
    ),
)
_COMPLEMENT: dict[Meets, Meets] = {
    operator.le: operator.gt,
    operator.gt: operator.le,
    operator.ge: operator.lt,
    operator.lt: operator.ge,
}
_EXTREMES: tuple[tuple[str, Callable[..., float]], ...] = (
    (r"(?:cheapest|least expensive|günstigste\w*|billigste\w*)", min),
    (r"(?:most expensive|dearest|teuerste\w*)", max),
    (r"(?:lowest|smallest|fewest|shortest|lightest|niedrigste\w*|kleinste\w*|kürzeste\w*|leichteste\w*)", min),
    (r"(?:highest|largest|biggest|longest|heaviest|höchste\w*|größte\w*|längste\w*|schwerste\w*)", max),
    (r"(?:costs?|weighs?|kostet|wiegt) (?:the |am )?(?:least|wenigsten)", min),
    (r"(?:costs?|weighs?|kostet|wiegt) (?:the |am )?(?:most|meisten)", max),
    (r"(?<=the )(?:least|smallest number of) \w+|(?<=die )wenigsten \w+", min),
    (r"(?<=the )(?:most|largest number of) \w+|(?<=die )meisten \w+", max),
)
"""Words, and which value they mean."""
_QUANTITIES = tuple(
    (re.compile(asked, re.IGNORECASE), re.compile(headed, re.IGNORECASE))
    for asked, headed in (
        (
            r"\b(?:cost|price|cheap|expensive|dear(?:er|est)|pay|fee|euro|dollar|pound|kost|preis|teuer|günstig|billig)|[€$£]",
            r"\b(?:cost|price|fee|eur|euro|dollar|usd|pound|gbp|kosten|preis)|[€$£]",
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
_ORDINAL = re.compile(
    r"\b(?:second|third|fourth|fifth|next|\d+(?:st|nd|rd|th)|zweit|dritt|viert)[ -]?(?:most|least|\w+est|\w+te\w?)\b",
    re.IGNORECASE,
)
_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6", "seventh": "7"}
_COUNTED = re.compile(
    rf"(?:(?P<joined>\b(?:and|or|to|und|oder|bis)|[-–])\s*)?\b(?P<number>{DIGITS}|{'|'.join((*SPELLED, *_ORDINALS))})"
    r"(?:st|nd|rd|th)?(?=[-\s]+(?P<of>[^\W\d]+))",
    re.IGNORECASE,
)
"""A number and what it counts: "3 rooms", "the first floor", and whether it ends a range or a choice."""
_YES = {"yes", "ja", "✓", "✔", "x", "included", "oui", "sí"}
_NO = {"no", "nein", "–", "-", "✗", "✘", "none", "non", ""}
_WITHOUT = re.compile(
    r"\b(?:without|no(?!\.)|not|never|none|neither|nor|cannot|ohne|kein\w*|nicht|nie|weder)\b|n['’]t\b", re.IGNORECASE
)
_JOINS = re.compile(r"[,;:]|\b(?:and|or|but|that|which|who|und|oder|aber|die|das|der)\b", re.IGNORECASE)
"""What a denial does not reach across."""
_COMMA_GROUPS = frozenset({"en", "zh", "ja", "ko"})
"""Languages in which a comma groups thousands; in others a point does."""


def rows_meeting(question: str, passages: Sequence[Passage]) -> list[Passage]:
    """Return the rows of the first table about what is asked for that meet the question's condition.

    Nothing where the question sets no condition on rows, or no table has a column for it.
    """
    for table in _tables(question, passages):
        names, lines = cells(table[0].header), [cells(row.text) for row in table]
        kinds = _kinds(question, names, lines) if not _listed(content_words(question), names, lines) else None
        if kinds is None:
            kept = _meeting(question, names, lines)
        else:
            column, of_kind = kinds
            table, lines = [table[at] for at in of_kind], [lines[at] for at in of_kind]
            kept = _meeting(question, names, lines, (column,)) or _all_of(question, lines, column)
        if kept:
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
        if whole and (_listed(content_words(question), names, lines) or _kinds(question, names, lines)):
            yield table


def _listed(asked: frozenset[str], names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the columns that name what is asked for: by their heads, and the first one or one of words."""
    return [
        column
        for column, name in enumerate(names)
        if content_words(name) & asked and (column == 0 or _of_words([line[column] for line in lines]))
    ]


def _kinds(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> tuple[int, list[int]] | None:
    """Return the column that sorts rows into kinds and the rows of the one asked for: "Which laptops …?".

    `None` where no column, or each row of it, is of that kind.
    """
    asked = _asked_for(question)
    for column in range(1, len(names)):
        values = [line[column] for line in lines]
        found = [at for at, value in enumerate(values) if content_words(value) and content_words(value) <= asked]
        if found and len(found) < len(lines) and len(set(values)) < len(values) and _of_words(values):
            return column, found
    return None


def _asked_for(question: str) -> frozenset[str]:
    """Return the words behind "which" among which stands what is asked for."""
    asks = _ASKS.search(question)
    return content_words(" ".join(question[asks.end() :].split()[:NEAR])) if asks else frozenset()


def _all_of(question: str, lines: Sequence[Sequence[str]], column: int) -> list[int]:
    """Return all rows of a kind where a question asks for nothing else: "Which laptops are there?"."""
    return list(range(len(lines))) if content_words(question) - content_words(lines[0][column]) <= SAYS_NOTHING else []


def _of_words(column: Sequence[str]) -> bool:
    """Whether a column holds words: no figure, and more than yes and no."""
    told = {value.casefold().strip() for value in column}
    return not told <= _YES | _NO and not any(map(measured, told))


def _meeting(
    question: str, names: Sequence[str], lines: Sequence[Sequence[str]], things: Sequence[int] = ()
) -> list[int]:
    """Return the rows that meet a question's conditions; `things` are the columns that name what is asked for."""
    ticked = _ticked(question, names, lines)
    things = things or _listed(_asked_for(question), names, lines)
    conditions = (_placed(question, names, lines, things), _counted(question, names, lines))
    among = [at for at in ticked or range(len(lines)) if all(at in rows for rows in conditions)]
    for said, meets in _BOUNDS:
        if match := re.search(rf"\b{said}\s+{_AMOUNT}", question, re.IGNORECASE):
            meant = None if ticked and _WITHOUT.search(_without_bounds(question)) else _meant(question, match, meets)
            return [at for at in _compared(question, match[1], meant, names, lines) if at in among] if meant else []
    if _ORDINAL.search(question):
        return []  # "the second largest": neither the largest nor a list
    for said, most in _EXTREMES:
        if re.search(rf"\b{said}", question, re.IGNORECASE):
            values = [] if _WITHOUT.search(question) else _values(question, names, lines)
            found = [[at for at in among if row[at] == most(row[place] for place in among)] for row in values]
            return found[0] if found and all(rows == found[0] for rows in found) else []
    return among if len(among) < len(lines) else []


def _meant(question: str, bound: re.Match[str], meets: Meets) -> Meets | None:
    """Return what a bound asks for, its complement where it is denied; `None` where something else may be denied.

    A denial is of the bound where at most one word of meaning stands between them: "do not cost more than 15".
    """
    before, behind = question[: bound.start()], question[bound.end() :]
    denials = list(_WITHOUT.finditer(before))
    if not denials:
        return None if _WITHOUT.search(behind) else meets
    between = before[denials[-1].end() :]
    near = sum(word not in STOPWORDS for word in words(between)) <= 1 and not _JOINS.search(between)
    return _COMPLEMENT[meets] if near and len(denials) == 1 and not _WITHOUT.search(behind) else None


def _compared(
    question: str, bound: str, meets: Meets, names: Sequence[str], lines: Sequence[Sequence[str]]
) -> list[int]:
    """Return the rows whose figure meets a bound, nothing where two readings of the figures would tell other rows."""
    found = [
        [at for at, value in enumerate(values) if meets(value, amount)]
        for values in _values(question, names, lines)
        for amount in readings(bound)
    ]
    return found[0] if found and all(rows == found[0] for rows in found) else []


def _placed(question: str, names: Sequence[str], lines: Sequence[Sequence[str]], things: Sequence[int]) -> list[int]:
    """Return the rows with the value that a question gives for another column than it asks for; all where none.

    "Which items are in Shed 1?", where the head of the items' column follows the asking word.
    """
    for column in range(len(names)) if things else ():
        values = [line[column] for line in lines]
        if column in things or not _of_words(values):
            continue
        if given := [at for at, value in enumerate(values) if _gives(question, value)]:
            return given
    return list(range(len(lines)))


def _counted(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the rows with the number that a question gives of what a column counts; all where it gives none.

    "Which flats have 3 rooms?", "on the first floor"; a bound ("at least 3 rooms") is another thing.
    """
    question = _without_bounds(question)
    kept = list(range(len(lines)))
    asked = [] if _WITHOUT.search(question) else list(_COUNTED.finditer(question))
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


def _without_bounds(question: str) -> str:
    for said, _ in _BOUNDS:
        question = re.sub(rf"\b{said}\s+{_AMOUNT}", " ", question, flags=re.IGNORECASE)
    return question


def _gives(question: str, value: str) -> bool:
    """Whether a question has the words of a cell, and does not deny them."""
    found = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", question, re.IGNORECASE) if len(value) > 1 else None
    return found is not None and not _WITHOUT.search(" ".join(question[: found.start()].split()[-NEAR:]))


def _values(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[list[float]]:
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
        shared = len(content_words(names[column]) & wanted)
        told = _tells(question, f"{names[column]} {lines[0][column]}")
        if values and (shared or told):
            found.append((shared + 2 * told, values))
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


def _ticked(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the rows with a yes in the column that a question names, or with a no; nothing where it names none."""
    wanted = content_words(question)
    for column in range(1, len(names)):
        told = [line[column].casefold().strip() for line in lines]
        named = content_words(names[column])
        if named and named <= wanted and set(told) <= _YES | _NO and set(told) & _YES:
            meant = _NO if _WITHOUT.search(_without_bounds(question)) else _YES
            return [at for at, value in enumerate(told) if value in meant]
    return []
