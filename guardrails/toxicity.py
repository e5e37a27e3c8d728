"""Toxic language in a question or an answer: abuse, slurs, hate, threats.

Encoder + two adapters of one training from two seeds: where `toxicity` gives 0.1 or more, its mean log-odds with
`toxicity_second` count. Held-out folds, whole texts: precision 0.948, recall 0.916, F1 0.932 at 0.645 (one alone 0.924,
0.932); HateCheck accuracy 0.916, identity templates' false positives 0, ordinary questions 0.03 %. One row of the
shared encoder pass, and for a long text one a sentence; another row for two questions in a thousand.
Reproduce: `attest eval rails --rail toxicity --data data/guardrails/toxicity.dev.jsonl` (folds: docs/results/rails.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.sentences import split_sentences
from core.types import RailStage
from guardrails.normalise import plain
from guardrails.rail import Context, Finding, Request

if TYPE_CHECKING:
    from models.adapters import Classifier

LONG = 400
"""Characters from which a text is scored by the sentence too: one insult among paragraphs is averaged away."""
SURE = 0.98
"""From here on a single sentence of a long text counts: a long argument that nobody calls toxic has rude sentences."""
_OATH = re.compile(
    r"\b(what|who|where|when|why|how)\s+(?:in\s+)?the\s+(?:actual\s+)?(?:hell|heck|fuck|devil)\b(?!\s+(?:is\s+wrong|are\s+you|you))",
    re.IGNORECASE,
)
_SHORT_OATH = re.compile(r"\bwtf\s+(?=(?:is|are|does|do|did|was|were|has|have)\b(?!\s+(?:wrong|you)\b))", re.IGNORECASE)
_MILD = re.compile(
    r"(^\W*(?:what|what['’]s|where|where['’]s|when|why|how|which|who|is|are|can|do|does)\b[^.!?\n]*?\b(?:a|an|the|this|that|my|our)\s+)"
    r"(?:god)?(?:damn|damned|bloody|freaking|frigging|flipping)\s+(?=\w)",
    re.IGNORECASE,
)
"""A mild oath before what a question asks of ("where is the bloody printer"); stronger ones are left to the adapter."""


class Toxicity:
    """Scores the text as it reads once look-alike letters are folded and oaths that only stress a question are gone."""

    name = "toxicity"
    stages: frozenset[RailStage] = frozenset({"input", "output"})

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    @property
    def threshold(self) -> float:
        """The score from which the adapter in force is positive; one newly trained brings its own."""
        return self._classifier.threshold(self.name)

    def requests(self, context: Context) -> Sequence[Request]:
        """Score the plain text, and each sentence of a long one."""
        text = unstressed(plain(context.text))
        if not text.strip():
            return []
        parts = [text[start:end] for start, end in split_sentences(text)] if len(text) >= LONG else []
        return [(self.name, part) for part in (text, *parts)]

    def judge(self, context: Context, scores: Sequence[float]) -> Finding:
        """The text's score is the rail's, unless one of its sentences is surely toxic."""
        whole, *sentences = scores or (0.0,)
        return Finding(max(whole, *(score for score in sentences if score >= SURE), 0.0), "toxic")


def unstressed(text: str) -> str:
    """Return a text without oaths that stress a question ("what the hell is a TTS"): they are no abuse of anyone."""
    return _MILD.sub(r"\1", _SHORT_OATH.sub("what ", _OATH.sub(r"\1", text)))
