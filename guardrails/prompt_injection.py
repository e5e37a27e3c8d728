"""Jailbreaks and injected instructions in a question, plain or disguised.

Encoder + adapter `prompt_injection`, over the text and everything its disguises decode to, trained in one step; beside
it patterns for the classic orders in other languages. Held-out folds: precision 0.991, recall 0.917, F1 0.953 at 0.978;
false positives NotInject 0.013, questions people asked of documents none, pasted texts 2.3 %.
One row of the shared encoder pass for each view of the text.
Reproduce: `attest eval rails --rail prompt_injection --data data/guardrails/prompt_injection.dev.jsonl`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.types import RailStage
from guardrails.injection_phrases import orders_in_other_languages
from guardrails.normalise import views
from guardrails.rail import Context, Finding, Request

if TYPE_CHECKING:
    from models.adapters import Classifier


class PromptInjection:
    """Scores the plain text and each decoded view of it; the worst counts."""

    name = "prompt_injection"
    stages: frozenset[RailStage] = frozenset({"input"})

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    @property
    def threshold(self) -> float:
        """The score from which the adapter in force is positive; one newly trained brings its own."""
        return self._classifier.threshold(self.name)

    def requests(self, context: Context) -> Sequence[Request]:
        """Score every view of the text."""
        return [(self.name, view) for view in views(context.text)] if context.text.strip() else []

    def judge(self, context: Context, scores: Sequence[float]) -> Finding:
        """The highest score is the rail's; a classic order in another language is as sure as can be."""
        if any(map(orders_in_other_languages, views(context.text))):
            return Finding(1.0, "prompt_injection")
        return Finding(max(scores, default=0.0), "prompt_injection")
