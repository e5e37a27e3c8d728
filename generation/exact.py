"""What must agree to the letter: numbers, names, negation."""

from __future__ import annotations

from generation.passages import Passage
from generation.words import content_words, names, negated, numbers

WRONG_NUMBER = 0.3
WRONG_NAME = 0.45
WRONG_NEGATION = 0.5


def exact_cap(claim: str, passage: Passage) -> float:
    """Return the most that a claim may score against a passage: 1.0 where nothing contradicts it to the letter."""
    context = f"{passage.evidence.hit.title}\n{passage.in_context}"
    whole = f"{context}\n{passage.evidence.hit.chunk.text}"
    if not numbers(claim) <= numbers(context):
        return WRONG_NUMBER
    if not names(claim) <= content_words(whole):
        return WRONG_NAME
    if negated(claim) != negated(f"{passage.lead} {passage.text}"):
        return WRONG_NEGATION
    return 1.0
