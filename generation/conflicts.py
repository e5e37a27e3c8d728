"""Two passages that say different things about the same: both are shown, each with its date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from core.numbers import lacks
from core.words import content_words, negated
from generation.ages import IN_FORCE, editions, standing
from generation.passages import Passage, flat, passage_text
from generation.tables import cells

ALIKE = 0.6
"""Share of common content words from which two sentences speak of the same thing."""
NONE = 0.65
"""The share from which "No fee is charged" denies "The fee is 15 percent"."""
SAME = 0.8
"""The share from which one denies the other where no number tells them apart: "not in the hall", "in the lobby"."""


def disagrees(one: Passage, other: Passage) -> bool:
    """Whether two pieces of different documents say nearly the same with other numbers, or one denies the other.

    Rows of tables do where the same columns say another thing of what both name in their first cell.
    """
    if one.evidence.hit.chunk.document_id == other.evidence.hit.chunk.document_id:
        return False
    if named_alike(one, other):
        return _other_cells(one, other)
    apart = [lacks(one.text, other.text), lacks(other.text, one.text)]  # the year that both are of says nothing
    denied = negated(one.text) != negated(other.text)
    if not all(apart) and not denied:
        return False
    words = [frozenset(word for word in content_words(piece.text) if not word.isdigit()) for piece in (one, other)]
    smaller = min(map(len, words))
    return smaller >= 3 and len(words[0] & words[1]) / smaller >= (SAME, NONE, ALIKE)[sum(apart)]


def named_alike(one: Passage, other: Passage) -> bool:
    """Whether two pieces are rows of tables with nearly the same columns and the same first cell."""
    if not one.unit.kind == other.unit.kind == "row" or _name(one) != _name(other) or not _name(one):
        return False
    heads = [frozenset(_columns(row)) for row in (one, other)]
    if not any(heads):
        return len(cells(one.text)) == len(cells(other.text))
    smaller = min(map(len, heads))
    return smaller > 0 and len(heads[0] & heads[1]) / smaller >= ALIKE


def with_rivals(question: str, chosen: Sequence[Passage], candidates: Sequence[Passage]) -> list[Passage]:
    """Return the chosen pieces, each beside the candidate that disagrees with it and stands best today, if any does.

    Of the two, what is in force now comes first: what it replaced must never be told alone.
    """
    names = Counter((_document(row), _name(row)) for row in candidates if row.unit.kind == "row")
    told: list[Passage] = []
    for piece in chosen:
        if any(piece is other for other in told):
            continue
        rivals = [
            rival
            for rival in candidates
            if disagrees(piece, rival)
            and not any(_says_the_same(rival, other) for other in [*told, *chosen] if other is not rival)
            and (not named_alike(piece, rival) or _as_much_asked_for(question, piece, rival, names))
        ]
        pair = [piece]
        if rivals:
            rival = max(rivals, key=lambda other: standing(other, piece))
            pair = [rival, piece] if standing(rival, piece) > standing(piece, rival) else [piece, rival]
        told += [new for new in pair if not any(new is other for other in told)]
    return told


def without_replaced_tables(passages: Sequence[Passage]) -> list[Passage]:
    """Return the pieces but for the rows of tables that a later edition of their document, in force now, has too.

    What is the cheapest, or all that costs less than 20, is found among the rows of today.
    """
    namesakes: dict[str, list[Passage]] = {}
    for row in passages:
        if row.unit.kind == "row":
            namesakes.setdefault(_name(row), []).append(row)
    replaced = {
        (_document(old), old.header)
        for rows in namesakes.values()
        for old in rows
        if any(_replaces(new, old) for new in rows)
    }
    return [
        passage
        for passage in passages
        if passage.unit.kind != "row" or (_document(passage), passage.header) not in replaced
    ]


def _replaces(new: Passage, old: Passage) -> bool:
    """Whether a row is of a later edition of another's document."""
    if _document(new) == _document(old) or not named_alike(new, old) or not editions(new, old):
        return False
    stands = standing(new, old)
    return stands[0] == IN_FORCE and stands > standing(old, new)


def latest_copy(piece: Passage, candidates: Sequence[Passage]) -> Passage:
    """Return the piece of the same words that stands best today: a new edition repeats much of the old one."""
    copies = [other for other in candidates if _says_the_same(piece, other) and _document(piece) != _document(other)]
    return max([piece, *copies], key=lambda other: standing(other, piece))


def _as_much_asked_for(question: str, piece: Passage, rival: Passage, names: Counter[tuple[str, str]]) -> bool:
    """Whether a row named as one chosen is of what was asked about: "Monday" of another club's hours is not.

    A name that several rows of its document have names none of them.
    """
    wanted = frozenset(word for word in content_words(question) if not word.isdigit())
    held, besides = (content_words(f"{row.evidence.hit.title}\n{row.in_context}") for row in (piece, rival))
    return wanted & held <= besides and names[_document(rival), _name(rival)] <= 1


def _other_cells(one: Passage, other: Passage) -> bool:
    """Whether rows of one name say different things in a column that both have."""
    first, second = _columns(one), _columns(other)
    if not first or not second:
        return [flat(cell) for cell in cells(one.text)] != [flat(cell) for cell in cells(other.text)]
    return any(first[name] != second[name] for name in first.keys() & second.keys())


def _columns(row: Passage) -> dict[str, str]:
    """Return the cells of a row behind the first by the heads of their columns; empty where these do not fit."""
    names, values = cells(row.header), cells(row.text)
    if len(names) != len(values):
        return {}
    return {flat(name).casefold(): flat(value) for name, value in zip(names[1:], values[1:], strict=True)}


def _name(row: Passage) -> str:
    return flat(cells(row.text)[0]).casefold() if row.text else ""


def _document(piece: Passage) -> str:
    return piece.evidence.hit.chunk.document_id


def _says_the_same(one: Passage, other: Passage) -> bool:
    return passage_text(one).casefold() == passage_text(other).casefold()
