"""Whether the evidence says what a text says: each sentence is judged alone, as the verifier judges claims.

Encoder + adapter `groundedness` over (sentence, evidence) and the words they share (`models/grounding.py`). Off by
default in the product, because the verifier runs on every answer already; on for whoever wants a verdict of its own
(`rails.policy.groundedness`). Figures: docs/results/verify.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.types import RailStage
from guardrails.rail import Context, Finding, Request
from models.grounding import ADAPTER, Blend, claims_of, held_by, share_held, together

if TYPE_CHECKING:
    from models.adapters import Classifier

_MARKER = re.compile(r"\s*\[\d+\]")


class Groundedness:
    """Scores how little of the text the evidence supports."""

    name = ADAPTER
    stages: frozenset[RailStage] = frozenset({"output"})

    def __init__(self, classifier: Classifier) -> None:
        self.threshold = 1.0 - classifier.threshold(self.name)
        self._classifier = classifier

    def requests(self, context: Context) -> Sequence[Request]:
        """Score each sentence, without its markers, against all evidence together."""
        return requests_of(_said(context), _shown(context))

    def judge(self, context: Context, scores: Sequence[float]) -> Finding:
        """The adapter says how well each sentence is supported; the rail says how badly all of them are."""
        blend = Blend.of(self._classifier.card(self.name)) if self._classifier.has(self.name) else Blend()
        text = _said(context)
        return Finding(1.0 - support_of(text, _shown(context), scores, blend), "ungrounded" if scores else "")


def requests_of(text: str, evidence: str) -> list[Request]:
    """Return what has to be scored of a text: each of its sentences beside the evidence."""
    return [(ADAPTER, (claim, evidence)) for claim in claims_of(text)]


def support_of(text: str, evidence: str, scores: Sequence[float], blend: Blend) -> float:
    """Return how well evidence supports a text, from the scores of `requests_of`."""
    sentences = held_by(evidence)
    claims = zip(claims_of(text), scores, strict=True)
    return together([blend.support(score, share_held(claim, sentences)) for claim, score in claims])


def _said(context: Context) -> str:
    return _MARKER.sub("", context.text)


def _shown(context: Context) -> str:
    return "\n\n".join(item.hit.chunk.text for item in context.evidence)
