"""What a follow-up was lent by its conversation, as a reader is told it: the names, in their own spelling."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.types import Message
from core.words import stem, words
from generation.anchors import anchors

MOST = 3
"""Names told at most: enough to see what a question was taken to be about."""
LONGEST = 4000
"""Characters of a message in which names are looked for."""
SHORTEST = 3
"""Characters of a name; a shorter one is a form of address that was cut off from its name."""
_CAPITALISED = re.compile(r"(?<!\w)[^\W\d_a-z][\w.'’&-]*(?:[ \t]+[^\W\d_a-z][\w.'’&-]*)*")


def asked_and_lent(query: str, question: str, history: Sequence[Message]) -> tuple[str, tuple[str, ...]]:
    """Return a query as it was asked and the names that it was lent, the latest first.

    A query that says in words of its own more than the question does is returned as it is.
    """
    if not query.startswith(f"{question} "):
        return query, ()
    lent = frozenset(query[len(question) :].split())
    found = dict.fromkeys(name for message in reversed(history) for name in _names(message.content[:LONGEST], lent))
    return question, tuple(found)[:MOST]


def _names(text: str, lent: frozenset[str]) -> list[str]:
    """Return the lent names of a text: capitalised words that stand together, one of them a name."""
    named, _ = anchors(text)
    found = []
    for run in _CAPITALISED.findall(text):
        kept = [word.rstrip(".'’&-") for word in run.split() if (parts := words(word)) and lent.issuperset(parts)]
        name = " ".join(kept)
        if len(name) >= SHORTEST and named & {stem(part) for part in words(name)}:
            found.append(name)
    return found
