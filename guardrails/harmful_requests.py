"""Requests for help with harm: weapons, crime, self-harm, hate; safe look-alikes ("kill a process") pass.

Encoder + adapter `harmful_requests`. Held-out folds: precision 0.987, recall 0.865, balanced accuracy 0.899 at 0.889;
XSTest accuracy 0.868; ordinary questions stopped 0.8 %. One row of the shared encoder pass.
Reproduce: `attest eval rails --rail harmful_requests --data data/guardrails/harmful_requests.dev.jsonl`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.types import RailStage
from guardrails.normalise import plain
from guardrails.rail import Context, Finding, Request

if TYPE_CHECKING:
    from models.adapters import Classifier


class HarmfulRequests:
    """Scores the question as it reads once look-alike letters are folded."""

    name = "harmful_requests"
    stages: frozenset[RailStage] = frozenset({"input"})

    def __init__(self, classifier: Classifier) -> None:
        self.threshold = classifier.threshold(self.name)

    def requests(self, context: Context) -> Sequence[Request]:
        """Score the plain text."""
        return [(self.name, plain(context.text))] if context.text.strip() else []

    def judge(self, context: Context, scores: Sequence[float]) -> Finding:
        """The highest score is the rail's."""
        return Finding(max(scores, default=0.0), "harmful_request")
