"""How well evidence supports a claim: what the `groundedness` adapter says, and the words that one sentence holds.

The adapter alone believes fluent claims about the right subject, shared words alone any claim in the right words. The
card of an adapter says how the two are weighed (`blend`, fitted by `tuning/verifier_report.py`); an adapter without one
is believed as it is. The verifier of answers and the groundedness rail both score by this.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.sentences import split_sentences
from core.words import content_words, coverage

ADAPTER = "groundedness"
SHOWN = 650
"""Characters of evidence that the second reader is shown beside a claim, about 150 tokens: twice as many tell no more,
fewer tell less of claims in other words."""
NEIGHBOUR = 0.25
GAP = " … "
_LEAST = 1e-4
"""Keeps the logit of a score of 0 or 1 finite."""


@dataclass(frozen=True, slots=True)
class Blend:
    """Weights of the adapter's logit and of the share of words that one sentence holds."""

    logit: float = 1.0
    held: float = 0.0
    bias: float = 0.0

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Blend:
        """Read it from an adapter's card."""
        return cls(**card.get("blend", {}))

    def support(self, score: float, held: float) -> float:
        """Return the support of a claim, from 0 to 1."""
        return support_at(self.logit * logit_of(score) + self.held * held + self.bias)


def claims_of(text: str) -> list[str]:
    """Return what a text claims: its sentences."""
    return [text[start:end] for start, end in split_sentences(text)]


def held_by(evidence: str) -> list[frozenset[str]]:
    """Return the words of each sentence of the evidence."""
    return [content_words(evidence[start:end]) for start, end in split_sentences(evidence)]


def focused(evidence: str, claim: str, longest: int = SHOWN) -> str:
    """Return the sentences of the evidence that a claim is most likely about, in their order, `…` where some are left.

    A sentence counts by the rare words that it shares with the claim, and a quarter of its better neighbour's.
    """
    spans = split_sentences(evidence)
    if len(evidence) <= longest or not spans:
        return evidence[:longest]
    bags = [content_words(evidence[start:end]) for start, end in spans]
    common = Counter(word for words in bags for word in words)
    wanted = sorted(content_words(claim))
    own = [sum(1 / common[word] for word in wanted if word in words) for words in bags]
    beside = [max(own[max(place - 1, 0) : place + 2]) for place in range(len(own))]
    kept: set[int] = set()
    left = longest
    for place in sorted(range(len(spans)), key=lambda place: -(own[place] + NEIGHBOUR * beside[place])):
        length = spans[place][1] - spans[place][0] + len(GAP)
        if length <= left or not kept:
            kept.add(place)
            left -= length
    text = ""
    for place in sorted(kept):
        text += ("" if not text else " " if place - 1 in kept else GAP) + evidence[slice(*spans[place])]
    return text[:longest]


def share_held(claim: str, sentences: Sequence[frozenset[str]]) -> float:
    """Return the share of a claim's words that the best sentence holds."""
    wanted = content_words(claim)
    return max((coverage(wanted, words) for words in sentences), default=0.0)


def together(supports: Sequence[float]) -> float:
    """Return the support of a text from that of its claims, by the mean of their logits; 1.0 where it claims nothing.

    One sentence that only leads over does not damn an answer so, and one false among few does.
    """
    if not supports:
        return 1.0
    return support_at(sum(map(logit_of, supports)) / len(supports))


def logit_of(score: float) -> float:
    """Return the logit of a probability, finite at both ends."""
    return math.log((score + _LEAST) / (1.0 - score + _LEAST))


def support_at(logit: float) -> float:
    """Return the support of a logit, from 0 to 1."""
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))
