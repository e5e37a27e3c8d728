"""Questions that ask for the rows of a table which meet a condition: "Which plans cost less than 20?".

A reader finds one row that is like the question; which rows meet it is a comparison, and either all of them are the
answer or none is. A condition is a bound ("less than 20", "at least two"), the most or least of a column ("cheapest"),
or what a column says: yes or no, nothing, a number of something, or words (`generation.table_conditions`).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TypeAlias

from core.numbers import DIGITS, SPELLED, measured, readings
from core.words import STOPWORDS, content_words, words
from generation.passages import Passage
from generation.ranges import fits
from generation.table_conditions import NEAR, WITHOUT, counted, lacking, of_words, placed, ticked
from generation.table_values import values_of
from generation.tables import SAYS_NOTHING, cells, tier_of

_ASKS = re.compile(r"\b(?:which|what|list|show|name|how many|welche[rns]?|was|wie viele)\b", re.IGNORECASE)
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
_ORDINAL = re.compile(
    r"\b(?:second|third|fourth|fifth|next|\d+(?:st|nd|rd|th)|zweit|dritt|viert)[ -]?(?:most|least|\w+est|\w+te\w?)\b",
    re.IGNORECASE,
)
_JOINS = re.compile(r"[,;:]|\b(?:and|or|but|that|which|who|und|oder|aber|die|das|der)\b", re.IGNORECASE)
"""What a denial does not reach across."""


def rows_meeting(question: str, passages: Sequence[Passage]) -> list[Passage]:
    """Return the rows of the first table about what is asked for that meet the question's condition.

    Nothing where the question sets no condition on rows, or no table has a column for it.
    """
    for table in filter(_whole, _tables(question, passages)):  # of a part nobody knows whether it is the cheapest
        if kept := _kept(question, table):
            return kept
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


def not_meeting(question: str, passages: Sequence[Passage]) -> frozenset[int]:
    """Return the `id` of each row of a table that surely does not meet the condition.

    Where the rows that do are too many to quote, or the evidence has a table in part, the others are no answer either;
    nor is a row without any figure within the bound that is asked for.
    """
    found: set[int] = set()
    for table in _tables(question, passages):
        kept = _kept(question, table)
        found.update(id(row) for row in table if kept and row not in kept)
        found.update(map(id, _beyond_the_bound(question, table)))
    return frozenset(found)


def _kept(question: str, table: Sequence[Passage]) -> list[Passage]:
    """Return the rows of a table, of the kind that is asked for, that meet the conditions; none where it sets none."""
    names, lines = cells(table[0].header), [cells(row.text) for row in table]
    kinds = None if _listed(content_words(question), names, lines) else _kinds(question, names, lines)
    column, chosen = kinds or (0, list(range(len(table))))
    lines = [lines[at] for at in chosen]
    told = names[0] if kinds is None else lines[0][column]
    kept = _meeting(question, names, lines, () if kinds is None else (column,)) or _all_of(question, lines, told)
    return [table[chosen[at]] for at in kept]


def _beyond_the_bound(question: str, table: Sequence[Passage]) -> list[Passage]:
    """Return the rows without a figure within the bound of a question; none where it may be of a tier ("up to 6 m")."""
    for said, meets in _BOUNDS:
        if match := re.search(rf"\b{said}\s+{_AMOUNT}", question, re.IGNORECASE):
            meant = _meant(question, match, meets)
            if meant is None or any(fits(question, tier_of(row.text, row.header)) is not None for row in table):
                return []
            bounds = readings(match[1])
            return [row for row in table if not any(meant(value, bound) for value in _figures(row) for bound in bounds)]
    return []


def _figures(row: Passage) -> list[float]:
    told = [measured(cell) for cell in cells(row.text)]
    return [value for figure in told if figure for value in readings(figure[0])]


def _tables(question: str, passages: Sequence[Passage]) -> Iterator[list[Passage]]:
    """Yield the rows of each table that lists what a question asks for, as far as they are in the evidence."""
    if not _ASKS.search(question):
        return
    for table in _gathered(passages):
        names, lines = cells(table[0].header), [cells(row.text) for row in table]
        even = len(table) > 1 and names[0] and all(len(line) == len(names) for line in lines)
        if even and (_listed(content_words(question), names, lines) or _kinds(question, names, lines)):
            yield table


def _gathered(passages: Sequence[Passage]) -> Iterator[list[Passage]]:
    """Yield the rows of each table, of one that was cut those of the passages that follow one another."""
    rows = [passage for passage in passages if passage.unit.kind == "row" and passage.header]
    table: list[Passage] = []
    for _, group in groupby(rows, key=lambda row: (row.evidence.marker, row.header)):
        part = list(group)
        if not (table and _follows(table[-1], part[0])):
            if table:
                yield table
            table = []
        table += part
    if table:
        yield table


def _follows(last: Passage, first: Passage) -> bool:
    """Whether a row begins the part of a table behind the part that another row ends."""
    before, behind = last.evidence, first.evidence
    one, other = before.hit.chunk, behind.hit.chunk
    same = (one.document_id, one.version, last.header) == (other.document_id, other.version, first.header)
    return same and before.goes_on and first.unit.lead is None and 0 <= other.start - one.end <= len("\n\n")


def _whole(table: Sequence[Passage]) -> bool:
    """Whether the evidence has a table from its head to its end."""
    last = table[-1]
    behind = last.evidence.hit.chunk.text[last.unit.end :].strip(" |\n")
    return table[0].unit.lead is not None and (bool(behind) or not last.evidence.goes_on)


def _listed(asked: frozenset[str], names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the columns that name what is asked for: by their heads, and the first one or one of words."""
    return [
        column
        for column, name in enumerate(names)
        if content_words(name) & asked and (column == 0 or of_words([line[column] for line in lines]))
    ]


def _kinds(question: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> tuple[int, list[int]] | None:
    """Return the column that sorts rows into kinds and the rows of the one asked for: "Which laptops …?".

    `None` where no column, or each row of it, is of that kind.
    """
    asked = _asked_for(question)
    for column in range(1, len(names)):
        values = [line[column] for line in lines]
        found = [at for at, value in enumerate(values) if content_words(value) and content_words(value) <= asked]
        if found and len(found) < len(lines) and len(set(values)) < len(values) and of_words(values):
            return column, found
    return None


def _asked_for(question: str) -> frozenset[str]:
    """Return the words behind "which" among which stands what is asked for."""
    asks = _ASKS.search(question)
    return content_words(" ".join(question[asks.end() :].split()[:NEAR])) if asks else frozenset()


def _all_of(question: str, lines: Sequence[Sequence[str]], kind: str) -> list[int]:
    """Return all rows where a question asks for their kind and nothing else: "Which laptops are there?"."""
    return list(range(len(lines))) if content_words(question) - content_words(kind) <= SAYS_NOTHING else []


def _meeting(
    question: str, names: Sequence[str], lines: Sequence[Sequence[str]], things: Sequence[int] = ()
) -> list[int]:
    """Return the rows that meet a question's conditions; `things` are the columns that name what is asked for."""
    unbound = _without_bounds(question)
    wanted = ticked(unbound, names, lines) or lacking(unbound, names, lines)
    things = things or _listed(_asked_for(question), names, lines)
    things = (0,) if 0 in things else things  # "Which halls are suited to courses?" asks for halls
    conditions = (placed(question, names, lines, things), counted(unbound, names, lines))
    among = [at for at in wanted or range(len(lines)) if all(at in rows for rows in conditions)]
    for said, meets in _BOUNDS:
        if match := re.search(rf"\b{said}\s+{_AMOUNT}", question, re.IGNORECASE):
            meant = None if wanted and WITHOUT.search(unbound) else _meant(question, match, meets)
            return [at for at in _compared(question, match[1], meant, names, lines) if at in among] if meant else []
    if _ORDINAL.search(question):
        return []  # "the second largest": neither the largest nor a list
    for said, most in _EXTREMES:
        if re.search(rf"\b{said}", question, re.IGNORECASE):
            values = [] if WITHOUT.search(question) else values_of(question, names, lines)
            found = [[at for at in among if row[at] == most(row[place] for place in among)] for row in values]
            return found[0] if found and all(rows == found[0] for rows in found) else []
    return among if len(among) < len(lines) else []


def _meant(question: str, bound: re.Match[str], meets: Meets) -> Meets | None:
    """Return what a bound asks for, its complement where it is denied; `None` where something else may be denied.

    A denial is of the bound where at most one word of meaning stands between them: "do not cost more than 15".
    """
    before, behind = question[: bound.start()], question[bound.end() :]
    denials = list(WITHOUT.finditer(before))
    if not denials:
        return None if WITHOUT.search(behind) else meets
    between = before[denials[-1].end() :]
    near = sum(word not in STOPWORDS for word in words(between)) <= 1 and not _JOINS.search(between)
    return _COMPLEMENT[meets] if near and len(denials) == 1 and not WITHOUT.search(behind) else None


def _compared(
    question: str, bound: str, meets: Meets, names: Sequence[str], lines: Sequence[Sequence[str]]
) -> list[int]:
    """Return the rows whose figure meets a bound, nothing where two readings of the figures would tell other rows."""
    found = [
        [at for at, value in enumerate(values) if meets(value, amount)]
        for values in values_of(question, names, lines)
        for amount in readings(bound)
    ]
    return found[0] if found and all(rows == found[0] for rows in found) else []


def _without_bounds(question: str) -> str:
    """Return a question without its bounds: "at least 3 rooms" gives no number of rooms, "no more than" denies none."""
    for said, _ in _BOUNDS:
        question = re.sub(rf"\b{said}\s+{_AMOUNT}", " ", question, flags=re.IGNORECASE)
    return question
