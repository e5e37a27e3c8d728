"""A second opinion on claims beside that of the `groundedness` adapter: the second reader's.

The adapter, an encoder, believes most sentences that are nearly the evidence's words and doubts most that are not,
right or wrong. The second reader, a language model six times as large, tells them apart, so its word counts more; the
adapter's still helps where answers are long and the evidence is a chat's. Share and bounds were chosen on labelled
answers, reports, news and organisations' documents (docs/results/2026-11-30-clean-claims.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.settings import Settings
from models.grounding import focused, logit_of, support_at
from models.second_reader import CLAIM, SecondReader, forms_learnt, has_second_reader, load_second_reader

SHARE = 0.85
"""Of the second reader's logit in what both say."""
MOST, MOST_FIRST = 6.0, 3.0
"""Logits at which the second reader's word, and the adapter's beyond its threshold, count in full: neither may outvote
the other by being very sure."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """The second reader, asked of claims; `threshold` is the support from which the adapter believes one."""

    reader: SecondReader
    threshold: float

    def hear(self, claims: Sequence[tuple[str, str]]) -> list[float]:
        """Return for each claim and its evidence the logit of the evidence supporting it."""
        return self.reader.support([(claim, focused(evidence, claim)) for claim, evidence in claims])

    def weigh(self, support: float, logit: float) -> float:
        """Return the support of a claim, from 0 to 1, by what the adapter and the second reader say of it."""
        even = logit_of(self.threshold)
        first = _bounded(logit_of(support) - even, MOST_FIRST)
        return support_at(even + SHARE * _bounded(logit, MOST) + (1 - SHARE) * first)


def load_opinion(settings: Settings, threshold: float) -> Opinion | None:
    """Return the second opinion; `None` where it is switched off, or no second reader that learnt claims is there."""
    wanted = settings.answers.second_reader and settings.answers.verify_twice
    if not wanted or not has_second_reader() or CLAIM.name not in forms_learnt():
        return None
    return Opinion(load_second_reader(settings.embedder), threshold)


def _bounded(value: float, most: float) -> float:
    return max(-most, min(most, value))
