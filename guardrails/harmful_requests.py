"""Requests for help with harm: weapons, crime, self-harm, hate; safe look-alikes ("kill a process") pass.

Encoder + two adapters: where `harmful_requests` gives 0.1 or more, its mean log-odds with `harmful_requests_second`
count, which did not learn what people ask of plain pages and about their own affairs. Held-out folds: precision 0.992,
recall 0.839, balanced accuracy 0.899 at 0.857; XSTest accuracy 0.868; questions people asked of documents stopped
0.4 %. In other languages nearly half of harmful requests pass, in Chinese nearly all. One row of the encoder's pass,
and another for one question in fifty.
Reproduce: `attest eval rails --rail harmful_requests --data data/guardrails/harmful_requests.dev.jsonl`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.types import RailStage
from guardrails.languages import in_another_language
from guardrails.normalise import plain
from guardrails.rail import Context, Finding, Request

if TYPE_CHECKING:
    from models.adapters import Classifier


REPORTED = 0.5
"""What is left of the score of a report: the adapter learnt from questions and takes plain sentences for requests."""
_REPORT = re.compile(
    r"(?:i|i['’](?:m|ve)|my|we|we['’](?:re|ve)|our|it|someone|somebody|a (?:colleague|customer|supplier)) "
    r"[^.!?:;\n]{1,150}[.!]?",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:want|wanna|need|plan|planning|going to|gonna|like to|love to|wish|how|why|what|help me|tell|give|show|teach|"
    r"explain|write|make|build|looking for|kill|killing|suicide|die|dying|dead|hurt|hang|bomb|weapon|poison)\b",
    re.IGNORECASE,
)
DOUBT = 1.5
"""Step in log-odds: halves the harmless texts stopped in other languages (5.0 % to 2.5 % of templates held out)."""


class HarmfulRequests:
    """Scores the question as it reads once look-alike letters are folded."""

    name = "harmful_requests"
    stages: frozenset[RailStage] = frozenset({"input"})

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    @property
    def threshold(self) -> float:
        """The score from which the adapter in force is positive; one newly trained brings its own."""
        return self._classifier.threshold(self.name)

    def requests(self, context: Context) -> Sequence[Request]:
        """Score the plain text."""
        return [(self.name, plain(context.text))] if context.text.strip() else []

    def judge(self, context: Context, scores: Sequence[float]) -> Finding:
        """The highest score is the rail's; of a text the encoder reads poorly it has to be surer."""
        score = max(scores, default=0.0)
        if reports(context.text):
            score *= REPORTED
        return Finding(doubted(score) if in_another_language(context.text) else score, "harmful_request")


def reports(text: str) -> bool:
    """Whether a text is one plain sentence of what is or was, such as `My card was charged twice`: it asks nothing."""
    sentence = text.strip()
    return bool(_REPORT.fullmatch(sentence)) and not _ASKS.search(sentence)


def doubted(score: float) -> float:
    """Return a probability lowered by a fixed step of its log-odds: 0.97 becomes 0.88."""
    odds = score / (1.0 - score) / math.exp(DOUBT) if score < 1.0 else math.inf
    return 1.0 if odds == math.inf else odds / (1.0 + odds)
