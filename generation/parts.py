"""A question that asks several things, cut into them: "Who is the chair and when does she speak?"

Pieces are chosen for each part by itself, for the one that answers best hides those of the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.types import Message
from core.words import content_words, words
from generation.rewrite import heard, points_back

MOST = 3
"""Parts at most: each is read by itself; a longer list of questions is asked as a whole."""
FEW = 1
"""Content words up to which a part ("how cold?") says too little to be asked alone."""
_ASKING = (
    r"(?:who|whom|whose|what|when|where|why|how|which|wer|wem|wen|wessen|was|wann|wo|warum|weshalb|wie|wieviel"
    r"|welche[mnrs]?|qui|que|quand|où|pourquoi|comment|combien|quel(?:le)?s?|quiénes|quién|qué|cuándo|dónde|por qué"
    r"|cómo|cuánt[oa]s?|cuáles|cuál)\b"
)
_BEFORE = (
    r"(?:(?:until|till|by|at|for|to|from|in|on|since|bis|ab|seit|von|für|an|mit|à|de|depuis|jusqu'à|hasta|desde|a) )?"
)
_ASKS = re.compile(rf"\b{_ASKING}", re.IGNORECASE)
_NAMING = re.compile(
    r"\b(?:the|an?|my|our|your|der|die|das|den|dem|des|eine?[mnrs]?|le|la|les|une?|mon|ma|notre|el|los|las|una?|mi)\b|\bl['’]",
    re.IGNORECASE,
)
_CUT = re.compile(rf"\?\s+(?=\S)|,?(?<!\s)\s+(?:and|und|et|y|e)\s+(?={_BEFORE}{_ASKING})", re.IGNORECASE)


def parts_of(question: str, history: Sequence[Message] = ()) -> list[str]:
    """Return the parts of a question as they are read, in their order; the question alone where it asks one thing.

    "And why?" is of the same thing and cuts nothing off. A part that points back or names nothing is lent the words of
    the one before it. A follow-up that leans on the conversation `history` stays whole: what it was lent belongs to
    all of it.
    """
    return [read for _, read in told_parts(question, history)]


def told_parts(question: str, history: Sequence[Message] = ()) -> list[tuple[str, str]]:
    """Return the parts of a question as `parts_of` does, each as it was asked and as it is read."""
    found = [part.strip(" ,") for part in _CUT.split(question)]
    if not 1 < len(found) <= MOST or not all(_ASKS.search(part) and content_words(part) for part in found):
        return [(question, question)]
    if history and heard(question, history) != question:
        return [(question, question)]
    parts = [found[0]]
    for part in found[1:]:
        parts.append(_lent(part, parts[-1]) if points_back(part) or _names_nothing(part) else part)
    return list(zip(found, parts, strict=True))


def _names_nothing(part: str) -> bool:
    """Whether a part is about nothing it names itself: "how cold is it kept", but not "who is the chair"."""
    return len(content_words(part)) <= FEW and not _NAMING.search(part)


def _lent(part: str, before: str) -> str:
    """Return a part followed by the words of the one before it that it does not say itself."""
    own = content_words(part)
    return " ".join([part, *dict.fromkeys(word for word in words(before) if content_words(word) - own)])
