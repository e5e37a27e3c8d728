"""What must agree to the letter: numbers, names, negation."""

from __future__ import annotations

from typing import Literal

from core.numbers import lacks
from core.types import Support
from core.words import content_words, names, negated
from generation.passages import Passage

Mismatch = Literal["number", "name", "negation"]
AT_MOST: dict[Mismatch, Support] = {"number": "unsupported", "name": "partial", "negation": "partial"}
"""The best verdict left to a claim. A number is right or wrong; a name may be written in another way, and a sentence
may be turned round ("no later than" for "by"), so these two only lose their full support."""


def mismatch(claim: str, passage: Passage) -> Mismatch | None:
    """Return what a claim says to the letter that a passage does not, `None` where nothing."""
    context = f"{passage.evidence.hit.title}\n{passage.in_context}"
    whole = f"{context}\n{passage.evidence.hit.chunk.text}"
    if lacks(claim, context):
        return "number"
    if not names(claim) <= content_words(whole):
        return "name"
    lead = "" if passage.unit.kind == "sentence" else passage.lead
    if negated(claim) != negated(f"{lead} {passage.text}"):
        return "negation"
    return None
