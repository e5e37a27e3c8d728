"""Instructions to the model hidden in a document: found when it is ingested and again when it is retrieved.

Encoder + adapter `indirect_injection`. A passage is scored whole; one that fires, sentence by sentence too. Held-out
folds: precision 0.994, recall 0.988, F1 0.991 at 0.7; clean handbook passages touched 2.7 %.
Reproduce: `attest eval rails --rail indirect_injection --data data/guardrails/indirect_injection.dev.jsonl`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.types import RailStage
from guardrails.injection_phrases import orders_in_other_languages
from guardrails.normalise import plain
from guardrails.rail import Context, Finding, Request

if TYPE_CHECKING:
    from models.adapters import Classifier

_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+(?=\s|$)|\n|$|[.!?])")
_MAX_SENTENCES = 24
_SENTENCE_THRESHOLD = 0.5
_MAX_PASSAGES = 32
_PASSAGE_CHARACTERS = 700
_SUSPECT = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:previous|prior|above|earlier|all|your|these|the)\b"
    r"|\b(?:system|developer|initial|hidden)\s+(?:prompt|message|instructions?|mode)\b|\byou are now\b|\bfrom now on\b"
    r"|\b(?:AI|language model|LLM|assistant|chatbot|ChatGPT|GPT|Claude|Gemini|copilot)\b"
    r"|\b(?:your|the)\s+(?:answer|reply|response|output|summary)\b|\b(?:answer|reply|respond)\s+(?:in|with|only|using)\b"
    r"|\bbase64\b|\brot13\b|<\s*/?\s*(?:system|instructions?|context|im_start|inst)\b|\[/?INST\]|#{2,}\s*(?:system|instruction)",
    re.IGNORECASE,
)
_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\U000e0000-\U000e007f]{2,}")


class IndirectInjection:
    """Finds the passage that gives orders, and blanks the sentences that do."""

    name = "indirect_injection"
    stages: frozenset[RailStage] = frozenset({"ingest", "retrieval"})

    def __init__(self, classifier: Classifier) -> None:
        self.threshold = classifier.threshold(self.name)
        self._classifier = classifier

    def requests(self, context: Context) -> Sequence[Request]:
        """Score a passage whole; of a document only the passages that look suspect."""
        if not context.text.strip():
            return []
        if context.stage == "ingest":
            return [(self.name, plain(passage)) for passage in suspect_passages(context.text)]
        return [(self.name, plain(context.text))]

    def judge(self, context: Context, scores: Sequence[float]) -> Finding:
        """The whole passage decides; the sentences say what to blank: the likely ones, or the likeliest."""
        if not scores:
            return Finding(0.0)
        if context.stage == "ingest":
            return Finding(max(scores), "instruction_in_document")
        spans = sentences(context.text)
        foreign = [span for span in spans if orders_in_other_languages(plain(context.text[slice(*span)]))]
        if scores[0] < self.threshold / 2:  # a policy may set a lower threshold than the rail's own
            return _found(1.0, context.text, foreign) if foreign else Finding(scores[0])
        # Sentences are scored only here: scoring those of every passage doubles the cost of every question.
        parts = self._classifier.score_many([(self.name, plain(context.text[start:end])) for start, end in spans])
        # A passage that fires loses at least its likeliest sentence, or nothing would have been done about it.
        likely = min(_SENTENCE_THRESHOLD, max(map(float, parts), default=0.0))
        orders = [span for span, score in zip(spans, parts, strict=True) if score >= likely]
        return _found(1.0 if foreign else scores[0], context.text, sorted({*orders, *foreign}))


def _found(score: float, text: str, orders: Sequence[tuple[int, int]]) -> Finding:
    return Finding(score, "instruction_in_document", blanked(text, orders))


def suspect_passages(text: str) -> list[str]:
    """Return the passages of a document that speak to a machine or hide characters, at most 32.

    Scoring every passage would cost as much as embedding the document; each is scored when it is retrieved.
    """
    passages: list[str] = []
    end = 0
    for match in sorted([*_SUSPECT.finditer(text), *_HIDDEN.finditer(text)], key=lambda found: found.start()):
        if match.start() < end:
            continue
        start = max(0, match.start() - _PASSAGE_CHARACTERS // 2)
        end = start + _PASSAGE_CHARACTERS
        passages.append(text[start:end])
        if len(passages) == _MAX_PASSAGES:
            break
    return passages


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
