"""Rows of tables that a question asks for: its words against what names the row and what names the columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.numbers import measured
from core.sentences import Unit, split_units
from core.words import content_words, words
from generation.ranges import fits, holds_number

_CELL = re.compile(r"\|\s*|(?<!\s)\s+\|\s*|\t")
_UNIT = re.compile(r"[^\w]*(?:[a-z]{1,3}\b[^\w]*)?", re.IGNORECASE)
"""What may stand behind a figure that alone fills its cell."""
_YEAR = re.compile(r"(?:19|20)\d\d")
SHORT_YEAR = re.compile(r"\b(?:FY|fiscal(?: year)?)\s?['’]?(\d{2})\b", re.IGNORECASE)
_HEAD_UNIT = re.compile(r"\b[Ii]n ([^\W\d_]+)|\(([^\W\d_]+)\)")
"""The unit in the head of a column: "Weight in kg", "Age (years)"."""
SAYS_NOTHING = content_words(
    "include includes included cost costs pay bring get have need offer charge come take allow allowed give apply hold "
    "available there order buy book exist number "
    "kosten kostet zahlen bezahlen enthalten enthält bekommen"
)
"""What joins the name of a row to that of a column, and asks for no other thing."""
LABEL, COLUMN = 0.7, 0.3
"""What the name of the row and the names of the columns weigh: the wrong row is wrong, the wrong column beside it."""


def cells(row: str) -> list[str]:
    """Return the cells of a row of a Markdown table or of one cut by tabs."""
    return [cell.strip() for cell in _CELL.split(row.strip().strip("|"))] if row else []


def label_of(row: str) -> str:
    """Return what names a row: its cells before the first figure, the first cell where all are words."""
    found: list[str] = []
    for cell in cells(row):
        figure = measured(cell)
        if figure and _UNIT.fullmatch(figure[1]):
            break
        found.append(cell)
    named = [cell for cell in found if cell]
    return (named[0] if len(found) == len(cells(row)) else " ".join(named)) if named else ""


def match(
    question: str, row: str, header: str, *, terms: Sequence[str] = (), said: frozenset[str] = frozenset()
) -> float:
    """Return how far the names of a row and of its columns are those asked for, in [0, 1].

    `terms` are what documents call the things asked for; a row named by one of them is as good as one that the
    question names itself. A row is not named by words that only the conversation before `said`.
    """
    label = content_words(label_of(row))
    if not label:
        return 0.0
    asked = content_words(question)
    own = asked - said or asked
    called = max((_alike(label, content_words(term)) for term in terms), default=0.0)
    return LABEL * max(len(label & own) / len(label), called) + COLUMN * _columns(question, asked, header, row)


def _alike(one: frozenset[str], other: frozenset[str]) -> float:
    """Return how alike two names are; squared, since "total assets" is not nearly "total current assets"."""
    return float((2 * len(one & other) / (len(one) + len(other))) ** 2) if one and other else 0.0


def _columns(question: str, asked: frozenset[str], header: str, row: str) -> float:
    """Return whether a column that the question names has something in this row."""
    years = set(_YEAR.findall(question)) | {f"20{short}" for short in SHORT_YEAR.findall(question)}
    names, values = cells(header), cells(row)
    if len(names) != len(values):
        return 0.0
    return max(
        (_named(name, asked, years) for name, value in zip(names[1:], values[1:], strict=True) if value), default=0.0
    )


def _named(name: str, asked: frozenset[str], years: set[str]) -> float:
    if years & set(_YEAR.findall(name)):
        return 1.0
    head = frozenset(word for word in content_words(name) if not word.isdigit())
    return len(head & asked) / len(head) if head and words(name) else 0.0


def named_rows(own: frozenset[str], rows: Sequence[tuple[object, str] | None]) -> list[bool | None]:
    """Return of each row, given with its table, whether its first cell is named; `None` where no row of its table is.

    `own` are the words of the question itself. Of "Total assets" and "Total current assets" the longer name counts.
    """
    held: list[int] = []
    most: dict[object, int] = {}
    for row in rows:
        name = content_words(cells(row[1])[0]) if row else frozenset()
        held.append(len(name) if name <= own and any(map(str.isalpha, "".join(name))) else 0)
        if row:
            most[row[0]] = max(most.get(row[0], 0), held[-1])
    return [count == most[row[0]] if row and most[row[0]] else None for row, count in zip(rows, held, strict=True)]


def head_of(text: str, heading: str, unit: Unit) -> str:
    """Return what names the cells of a row of a passage: a chunk cut from a longer table has it in its headings."""
    above = [line for line in heading.splitlines() if line.lstrip().startswith("|")]
    return above[-1] if above else text[slice(*unit.lead)] if unit.lead else ""


def tiers_of(text: str, heading: str) -> list[str]:
    """Return the words of a passage that may name a tier: of each row of its tables, and each item of its lists."""
    units = [(unit, text[unit.start : unit.end]) for unit in split_units(text)]
    return [
        tier_of(own, head_of(text, heading, unit)) if unit.kind == "row" else own
        for unit, own in units
        if unit.kind in ("row", "item")
    ]


def tier_of(row: str, header: str) -> str:
    """Return the words of a row that may name tiers: its cells, with what their heads count behind a figure."""
    told, names = cells(row), cells(header)
    if len(told) != len(names):
        return row
    return "; ".join(map(_with_unit, told, names))


def _with_unit(cell: str, head: str) -> str:
    if not cell.rstrip("+")[-1:].isdigit():
        return cell
    unit = _HEAD_UNIT.search(head)
    return f"{cell} {unit[1] or unit[2] if unit else head}"


def row_holds(question: str, row: str, header: str) -> bool | None:
    """Whether a row is of the tier ("15+ years") or the number ("level 4") asked for; `None` where nothing says so."""
    if (held := fits(question, tier_of(row, header))) is not None:
        return held
    told, names = cells(row), cells(header)
    if len(told) != len(names):
        return holds_number(question, row) and None
    # A head that holds a number ("Section 1") tells columns from one another, not rows.
    named = [v if any(map(str.isdigit, n)) else f"{n} {v}" for n, v in zip(names, told, strict=True)]
    return holds_number(question, named[0]) or (holds_number(question, "; ".join(named)) and None)


def names_a_column(question: str, header: str) -> bool:
    """Whether a question has a word of the head of a column behind the first."""
    return any(content_words(name) & content_words(question) for name in cells(header)[1:])
