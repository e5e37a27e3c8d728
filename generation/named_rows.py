"""Rows that a question names wholly: the name of a row, the head of a column, and no word besides.

The readers have learnt sentences and find little in "How many guests can I bring with Standard?". Where every word of a
question stands in one table, or asks for nothing ("include", "cost"), what the table says there is the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.words import STOPWORDS, content_words, words
from generation.passages import Passage
from generation.readings import in_tiers
from generation.tables import SAYS_NOTHING, cells


def rows_named(question: str, passages: Sequence[Passage]) -> list[Passage]:
    """Return the rows, of one table, that a question names with a column and says nothing else of; else nothing."""
    found = [
        passage
        for passage in passages
        if passage.unit.kind == "row" and _names(in_tiers(question, passage.evidence), passage)
    ]
    tables = {(row.evidence.hit.chunk.document_id, row.header) for row in found}
    names = {cells(row.text)[0].casefold() for row in found}
    return found if len(tables) == len(names) == 1 else []


def _names(question: str, row: Passage) -> bool:
    heads, told = cells(row.header), cells(row.text)
    # A name of one word as it is written: "Day" is the name of a membership, "a day" is none.
    if not heads or len(heads) != len(told) or not _stands(told[0], question):
        return False
    asked = content_words(question)
    named = [content_words(head) for head, value in zip(heads[1:], told[1:], strict=True) if value]
    rest = asked - content_words(told[0])
    if not any(head and head <= rest for head in named):
        return False
    around = content_words(row.in_context) | _letters(row.header) | _letters(told[0])
    return (asked | _letters(question)) - around <= SAYS_NOTHING


def _stands(name: str, question: str) -> bool:
    case = re.IGNORECASE if len(name.split()) > 1 else re.NOFLAG
    return len(name) > 1 and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", question, case) is not None


def _letters(text: str) -> frozenset[str]:
    """Return the lone letters of a text, which tell "Pontoon B" from "Pontoon C"."""
    return frozenset(word for word in words(text) if len(word) == 1 and word not in STOPWORDS)
