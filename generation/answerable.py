"""Do the passages hold the answer? One number in [0, 1], calibrated on questions with and without answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.settings import Settings
from core.types import Evidence
from generation.passages import passages_of, rank_passages
from generation.words import content_words, coverage

if TYPE_CHECKING:
    from models.adapters import Classifier


class Answerability:
    """Scores whether evidence answers a question and says from where on to answer."""

    def __init__(self, settings: Settings, classifier: Classifier | None = None) -> None:
        self._settings = settings
        self._classifier = classifier

    @property
    def threshold(self) -> float:
        """The score below which a question is refused."""
        return 0.5

    def score(self, question: str, evidence: Sequence[Evidence]) -> float:
        """Return the probability that the evidence answers the question; 0.0 without evidence."""
        ranked = rank_passages(question, passages_of(evidence), self._settings, self._classifier)
        if not ranked:
            return 0.0
        near = " ".join(
            f"{item.hit.title} {item.hit.chunk.heading} {item.hit.chunk.text}"
            for item in _same(ranked[0][1].evidence, evidence)
        )
        known = coverage(content_words(question), near)
        dense = max((item.hit.scores.dense or 0.0) for item in evidence)
        logit = -6.0 + 4.0 * ranked[0][0] + 3.5 * known + 3.0 * dense
        return 1.0 / (1.0 + math.exp(-logit))

    def reason(self, question: str, evidence: Sequence[Evidence]) -> str | None:
        """Return why to refuse before drafting, `None` to go on."""
        if not evidence:
            return "no_evidence"
        return "insufficient_evidence" if self.score(question, evidence) < self.threshold else None


def _same(best: Evidence, evidence: Sequence[Evidence]) -> list[Evidence]:
    """Return the evidence from the document of the best piece."""
    return [item for item in evidence if item.hit.chunk.document_id == best.hit.chunk.document_id]
