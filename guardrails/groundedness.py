"""Whether the evidence says what a text says: each sentence is judged alone, and the mean of their logits decides.

One sentence that only leads over does not damn an answer so, and one false among few does: over the labelled answers
the mean tells better than the worst sentence or the whole text at once (docs/results/verify.md).

Encoder + adapter `groundedness` over (text, evidence). Off by default in the product, because the verifier
runs on every answer already; on for whoever wants a verdict of its own (`rails.policy.groundedness`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.sentences import split_sentences
from core.types import RailStage
from guardrails.rail import Context, Finding, Request

if TYPE_CHECKING:
    from models.adapters import Classifier

_MARKER = re.compile(r"\s*\[\d+\]")
_LEAST = 1e-4
"""Keeps the logit of a score of 0 or 1 finite."""


class Groundedness:
    """Scores how little of the text the evidence supports."""

    name = "groundedness"
    stages: frozenset[RailStage] = frozenset({"output"})

    def __init__(self, classifier: Classifier) -> None:
        self.threshold = 1.0 - classifier.threshold(self.name)

    def requests(self, context: Context) -> Sequence[Request]:
        """Score each sentence, without its markers, against all evidence together."""
        passages = "\n\n".join(item.hit.chunk.text for item in context.evidence)
        return requests_of(_MARKER.sub("", context.text), passages)

    def judge(self, context: Context, scores: Sequence[float]) -> Finding:
        """The adapter says how well each sentence is supported; the rail says how badly all of them are."""
        return Finding(1.0 - support_of(scores), "ungrounded" if scores else "")


def requests_of(text: str, evidence: str) -> list[Request]:
    """Return what has to be scored of a text: each of its sentences beside the evidence."""
    return [(Groundedness.name, (text[start:end], evidence)) for start, end in split_sentences(text)]


def support_of(scores: Sequence[float]) -> float:
    """Return how well a text is supported whose sentences have these scores; what says nothing needs no support."""
    if not scores:
        return 1.0
    logits = [math.log((score + _LEAST) / (1.0 - score + _LEAST)) for score in scores]
    return 1.0 / (1.0 + math.exp(-sum(logits) / len(logits)))
