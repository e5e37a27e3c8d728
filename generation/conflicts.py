"""Two passages that say different things about the same: both are shown, each with its date."""

from __future__ import annotations

from collections.abc import Sequence

from core.numbers import lacks
from core.words import content_words, negated
from generation.passages import Passage

ALIKE = 0.6
"""Share of common content words from which two sentences speak of the same thing."""
NONE = 0.65
"""The share from which "No fee is charged" denies "The fee is 15 percent"."""
SAME = 0.8
"""The share from which one denies the other where no number tells them apart: "not in the hall", "in the lobby"."""


def disagrees(one: Passage, other: Passage) -> bool:
    """Whether two pieces of different documents say nearly the same with other numbers, or one denies the other."""
    if one.evidence.hit.chunk.document_id == other.evidence.hit.chunk.document_id:
        return False
    apart = [lacks(one.text, other.text), lacks(other.text, one.text)]  # the year that both are of says nothing
    denied = negated(one.text) != negated(other.text)
    if not all(apart) and not denied:
        return False
    words = [frozenset(word for word in content_words(piece.text) if not word.isdigit()) for piece in (one, other)]
    smaller = min(map(len, words))
    return smaller >= 3 and len(words[0] & words[1]) / smaller >= (SAME, NONE, ALIKE)[sum(apart)]


def opposing(chosen: Sequence[Passage], ranked: Sequence[Passage]) -> Passage | None:
    """Return the best ranked piece that disagrees with one chosen."""
    return next((piece for piece in ranked if any(disagrees(piece, other) for other in chosen)), None)
