"""Whether the evidence says what a text says; the answer as a whole, where `generation/verify.py` looks claim by claim.

Encoder + adapter `groundedness` over (text, evidence). Off by default in the product, because the verifier
runs on every answer already; on for whoever wants a verdict of its own (`rails.policy.groundedness`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.types import RailStage
from guardrails.rail import Context, Finding, Request

if TYPE_CHECKING:
    from models.adapters import Classifier

_MARKER = re.compile(r"\s*\[\d+\]")


class Groundedness:
    """Scores how little of the text the evidence supports."""

    name = "groundedness"
    stages: frozenset[RailStage] = frozenset({"output"})

    def __init__(self, classifier: Classifier) -> None:
        self.threshold = 1.0 - classifier.threshold(self.name)

    def requests(self, context: Context) -> Sequence[Request]:
        """Score the text without its markers against all evidence together."""
        if not context.text.strip():
            return []
        passages = "\n\n".join(item.hit.chunk.text for item in context.evidence)
        return [(self.name, (_MARKER.sub("", context.text), passages))]

    def judge(self, context: Context, scores: Sequence[float]) -> Finding:
        """The adapter says how well the text is supported; the rail says how badly."""
        return Finding(1.0 - scores[0], "ungrounded") if scores else Finding(0.0)
