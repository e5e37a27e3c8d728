"""Instructions to the model hidden in a document: found when it is ingested and again when it is retrieved.

Encoder + adapter `indirect_injection`. A passage is scored whole and sentence by sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.types import RailStage
from guardrails.normalise import plain
from guardrails.rail import Context, Finding, Request

if TYPE_CHECKING:
    from models.adapters import Classifier

_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+(?=\s|$)|\n|$|[.!?])")
_MAX_SENTENCES = 24


class IndirectInjection:
    """Finds the passage that gives orders, and blanks the sentences that do."""

    name = "indirect_injection"
    stages: frozenset[RailStage] = frozenset({"retrieval"})

    def __init__(self, classifier: Classifier) -> None:
        self.threshold = classifier.threshold(self.name)

    def requests(self, context: Context) -> Sequence[Request]:
        """Score the whole passage first, then each sentence."""
        if not context.text.strip():
            return []
        parts = [context.text[start:end] for start, end in sentences(context.text)]
        return [(self.name, plain(text)) for text in (context.text, *parts)]

    def judge(self, context: Context, scores: Sequence[float]) -> Finding:
        """The whole passage decides; the sentences say what to blank."""
        if not scores:
            return Finding(0.0)
        whole, parts = scores[0], scores[1:]
        spans = [span for span, score in zip(sentences(context.text), parts, strict=True) if score >= self.threshold]
        return Finding(whole, "instruction_in_document", blanked(context.text, spans))


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the spans of the sentences and lines of a passage, at most 24 (the last takes the rest)."""
    spans = [(match.start(), match.end()) for match in _SENTENCE.finditer(text) if match[0].strip()]
    if len(spans) > _MAX_SENTENCES:
        spans[_MAX_SENTENCES - 1 :] = [(spans[_MAX_SENTENCES - 1][0], spans[-1][1])]
    return spans


def blanked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return the text of the same length with the spans' characters replaced by spaces; line breaks stay."""
    for start, end in spans:
        text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return text
