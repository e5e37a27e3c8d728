"""Answers made of the documents' own words: the few sentences that answer best, verbatim, each with its marker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from core.settings import Settings
from core.types import Evidence, GeneratorName, Message
from generation.conflicts import opposing
from generation.passages import Passage, flat, passage_text, passages_of, rank_passages
from generation.words import content_words, coverage

if TYPE_CHECKING:
    from models.adapters import Classifier

MOST = 3
"""Sentences in a quote answer: enough for an answer with its condition, few enough to read at a glance."""
CLOSE = 0.8
"""Share of the best score that a further sentence must reach: on held-out squad2 questions 0.8 costs one point of
precision against 0.9, and finds the right page for two more of eighteen handbook questions."""
ON_THE_POINT = 2 / 3
"""Share of the best piece's words of the question that a further one must hold."""
CONTRARY = 0.6
"""Share of the best score from which a sentence that disagrees with a chosen one is shown beside it."""
LONGEST = 600
"""Characters of all quotes together."""


class QuoteGenerator:
    """Picks the supporting sentences; needs no language model."""

    name: GeneratorName = "quote"
    model = "extractive"

    def __init__(self, settings: Settings, classifier: Classifier | None = None) -> None:
        self._settings = settings
        self._classifier = classifier

    def draft(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> Iterator[str]:
        """Yield the chosen sentences, the one that answers best first."""
        for index, passage in enumerate(self.choose(question, evidence)):
            yield ("\n" if index else "") + f"{passage_text(passage)} [{passage.evidence.marker}]"

    def choose(self, question: str, evidence: Sequence[Evidence]) -> list[Passage]:
        """Return the quotable pieces that answer best, the best first."""
        ranked = rank_passages(question, passages_of(evidence), self._settings, self._classifier)
        chosen: list[Passage] = []
        for score, passage in ranked:
            if chosen and (score < CLOSE * ranked[0][0] or len(chosen) >= MOST):
                break
            if any(_same(passage, other) for other in chosen):
                continue
            if chosen and sum(len(passage_text(other)) for other in [*chosen, passage]) > LONGEST:
                continue
            chosen.append(passage)
        chosen = _on_the_point(question, chosen)
        opposite = opposing(chosen, [passage for score, passage in ranked if score >= CONTRARY * ranked[0][0]])
        if opposite is not None and opposite not in chosen:
            chosen.append(opposite)
        return chosen


def _on_the_point(question: str, chosen: Sequence[Passage]) -> list[Passage]:
    """Return the pieces that hold nearly as many of the question's words as the best does, that one first.

    The reader finds both limits of carrying leave over alike; only one of them names the leave that was asked about.
    """
    wanted = content_words(question)
    held = [coverage(wanted, content_words(passage_text(passage))) for passage in chosen]
    order = sorted(range(len(chosen)), key=lambda index: -held[index])
    return [chosen[index] for index in order if held[index] >= ON_THE_POINT * max(held)]


def _same(one: Passage, other: Passage) -> bool:
    """Whether two pieces are the same words, as overlapping chunks make them."""
    return flat(one.text).casefold() == flat(other.text).casefold()
