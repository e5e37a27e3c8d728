"""Toxic language in a question or an answer: abuse, slurs, hate, threats.

Encoder + adapter `toxicity`. Held-out folds: precision 0.926, recall 0.927, F1 0.927 at 0.578; HateCheck accuracy
0.913, identity templates' false positives 0.002, ordinary questions and oaths in questions 0.02 %.
One row of the shared encoder pass.
Reproduce: `attest eval rails --rail toxicity --data data/guardrails/toxicity.dev.jsonl` (folds: docs/results/rails.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.types import RailStage
from guardrails.normalise import plain
from guardrails.rail import Context, Finding, Request

if TYPE_CHECKING:
    from models.adapters import Classifier


class Toxicity:
    """Scores the text as it reads once look-alike letters are folded."""

    name = "toxicity"
    stages: frozenset[RailStage] = frozenset({"input", "output"})

    def __init__(self, classifier: Classifier) -> None:
        self.threshold = classifier.threshold(self.name)

    def requests(self, context: Context) -> Sequence[Request]:
        """Score the plain text."""
        return [(self.name, plain(context.text))] if context.text.strip() else []

    def judge(self, context: Context, scores: Sequence[float]) -> Finding:
        """The highest score is the rail's."""
        return Finding(max(scores, default=0.0), "toxic")
