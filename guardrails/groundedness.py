"""Whether the evidence says what a text says: each sentence is judged alone, as the verifier judges claims.

Encoder + adapter `groundedness` over (sentence, evidence) and the words they share (`models/grounding.py`), and the
second reader besides where it is installed (`models/opinion.py`). Off by default
in the product, because the verifier runs on every answer already; on for whoever wants a verdict of its own
(`rails.policy.groundedness`). Figures: docs/results/verify.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from core.types import RailStage
from guardrails.rail import Context, Finding, Request
from models.grounding import ADAPTER, Blend, claims_of, held_by, share_held, together

if TYPE_CHECKING:
    from models.adapters import Classifier
    from models.opinion import Opinion

_MARKER = re.compile(r"\s*\[\d+\]")


class Groundedness:
    """Scores how little of the text the evidence supports."""

    name = ADAPTER
    stages: frozenset[RailStage] = frozenset({"output"})

    def __init__(
        self, classifier: Classifier, opinion: Callable[[float], Opinion | None] = lambda _threshold: None
    ) -> None:
        """`opinion` returns the second opinion for a threshold, where there is one."""
        self._classifier = classifier
        self._opinion = opinion

    @property
    def threshold(self) -> float:
        """The lack of support from which the adapter in force believes a text no more."""
        return 1.0 - self._classifier.threshold(self.name)

    def requests(self, context: Context) -> Sequence[Request]:
        """Score each sentence, without its markers, against all evidence together."""
        return requests_of(_said(context), _shown(context))

    def judge(self, context: Context, scores: Sequence[float]) -> Finding:
        """Both judges say how well each sentence is supported; the rail says how badly all of them are."""
        support = self.support(_said(context), _shown(context), scores)
        return Finding(1.0 - support, "ungrounded" if scores else "")

    def support(self, text: str, evidence: str, scores: Sequence[float]) -> float:
        """Return how well evidence supports a text, from the scores of `requests_of`."""
        blend = Blend.of(self._classifier.card(self.name)) if self._classifier.has(self.name) else Blend()
        sentences, claims = held_by(evidence), claims_of(text)
        found = [
            blend.support(score, share_held(claim, sentences)) for claim, score in zip(claims, scores, strict=True)
        ]
        if opinion := self._opinion(1.0 - self.threshold):
            heard = opinion.hear([(claim, evidence) for claim in claims])
            found = [opinion.weigh(support, logit) for support, logit in zip(found, heard, strict=True)]
        return together(found)


def requests_of(text: str, evidence: str) -> list[Request]:
    """Return what has to be scored of a text: each of its sentences beside the evidence."""
    return [(ADAPTER, (claim, evidence)) for claim in claims_of(text)]


def _said(context: Context) -> str:
    return _MARKER.sub("", context.text)


def _shown(context: Context) -> str:
    return "\n\n".join(item.hit.chunk.text for item in context.evidence)
