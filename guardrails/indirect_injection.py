"""Instructions to the model hidden in a document: found when it is ingested and again when it is retrieved.

Encoder + adapter `indirect_injection`, which labels tokens: a sentence scores its likeliest ten in a row, read beside
its neighbours. Trained on one half and asked of the other (documents, attacks, templates): BIPIA's attacks found 163 of
163, clean contexts touched 0 of 112; our orders missed 7.2 %, clean handbook passages touched 1.5 %, at 0.6.
Reproduce: `attest eval rails --rail indirect_injection --data data/guardrails/indirect_injection.dev.jsonl`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.types import RailStage
from guardrails.injection_phrases import orders_in_other_languages
from guardrails.languages import in_another_language
from guardrails.normalise import plain
from guardrails.rail import Context, Finding

if TYPE_CHECKING:
    from models.adapters import Classifier

_DATED = r"(?<=\d)[.](?= (?:Januar|Februar|März|April|Mai|Ju[nl]i|August|(?:Sept|Nov|Dez)ember|Oktober)\b)"
_SENTENCE = re.compile(
    rf"""(?:[^.!?\n]|{_DATED}|[.!?](?![.!?]{{0,8}}["'”’)\]]{{0,3}}(?:\s|$)))+"""
    r"""(?:[.!?]{1,9}["'”’)\]]{0,3}|\n|$)|[.!?]+"""
)
"""Neither the points of an address (`www.example.com`) nor those of a number or a German date end a sentence."""
_LONE = 6.0
"""Divides the odds of a sentence with no neighbours to be judged beside: 0.9 becomes 0.6."""
_BLANKED = 0.5
"""Of a passage that fires, every sentence that scores as much loses its text."""
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
    """Finds the sentences of a passage that give orders, and blanks them."""

    name = "indirect_injection"
    stages: frozenset[RailStage] = frozenset({"ingest", "retrieval"})

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    @property
    def threshold(self) -> float:
        """The score from which the adapter in force is positive; one newly trained brings its own."""
        return self._classifier.threshold(self.name)

    def check(self, context: Context) -> Finding:
        """The likeliest sentence decides; of a document only the passages that look suspect are read."""
        if context.stage != "ingest":
            return self.check_all([context])[0]
        scored = self._scored(suspect_passages(context.text))
        return Finding(max((max(scores, default=0.0) for _, scores in scored), default=0.0), "instruction_in_document")

    def check_all(self, contexts: Sequence[Context]) -> list[Finding]:
        """Read retrieved passages together: alone, none of them keeps two processor cores busy."""
        texts = [context.text for context in contexts]
        return [self._found(text, *scored) for text, scored in zip(texts, self._scored(texts), strict=True)]

    def _found(self, text: str, spans: Sequence[tuple[int, int]], scores: Sequence[float]) -> Finding:
        score = max(scores, default=0.0)
        foreign = [span for span in spans if orders_in_other_languages(plain(text[slice(*span)]))]
        orders: list[tuple[int, int]] = []
        if score >= self.threshold / 2:  # a policy may set a lower threshold than the rail's own
            # A passage that fires loses at least its likeliest sentence, or nothing would have been done about it.
            likely = min(_BLANKED, score)
            orders = [span for span, found in zip(spans, scores, strict=True) if found >= likely]
        if not orders and not foreign:
            return Finding(score)
        redacted = blanked(text, sorted({*orders, *foreign}))
        return Finding(1.0 if foreign else score, "instruction_in_document", redacted)

    def _scored(self, texts: Sequence[str]) -> list[tuple[list[tuple[int, int]], list[float]]]:
        """Return the sentences of each text and how likely each gives an order, read beside its neighbours."""
        spans = [sentences(text) for text in texts]
        read = [_as_read(text, own) for text, own in zip(texts, spans, strict=True)]
        scored = self._classifier.score_spans(self.name, read)
        return [
            (own, _surer_alone(_where_read(text, own, scores)))
            for text, own, scores in zip(texts, spans, scored, strict=True)
        ]


def _as_read(text: str, spans: Sequence[tuple[int, int]]) -> tuple[str, list[tuple[int, int]]]:
    """Return a text up to its last sentence without disguises, and where its sentences stand then."""
    whole, seen = "", []
    for (start, end), (_, before) in zip(spans, [(0, 0), *spans], strict=False):
        whole += plain(text[before:start])
        seen.append((len(whole), len(whole := whole + plain(text[start:end]))))
    return whole, seen


def _where_read(text: str, spans: Sequence[tuple[int, int]], scores: Sequence[float]) -> list[float]:
    """Return the scores without those of what the encoder does not read: sentences of another language in a text of it.

    There a score is chance: of clean German and Spanish paragraphs every second one had a sentence above any threshold.
    Orders in other languages are found by their phrases, English ones in such a text by the adapter.
    """
    if not in_another_language(text):
        return list(scores)
    return [
        0.0 if in_another_language(text[slice(*span)]) else score for span, score in zip(spans, scores, strict=True)
    ]


def _surer_alone(scores: Sequence[float]) -> list[float]:
    return list(scores) if len(scores) > 1 else [score / (score + _LONE * (1.0 - score)) for score in scores]


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
    """Return the spans of the sentences and lines of a passage."""
    return [(match.start(), match.end()) for match in _SENTENCE.finditer(text) if match[0].strip()]


def blanked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return the text of the same length with the spans' characters replaced by spaces; line breaks stay."""
    for start, end in spans:
        text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return text
