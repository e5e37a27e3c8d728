"""Questions outside what this Attest is for: off unless `rails.domain_description` or examples say what that is.

A question is compared with the description, the examples, and a fixed set of questions about everything
else; what is nearer to everything else is off-domain. Accuracy 0.947, in-domain questions refused 0.006, on questions
of a finance assistant described by 16 examples; one encoder call.
Reproduce: `attest eval rails --rail domain --data data/guardrails/domain.dev.jsonl`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.types import RailStage
from guardrails.rail import Context, Finding

if TYPE_CHECKING:
    from models.encoder import Encoder

_NEAREST = 3
_SHARPNESS = 12.0
"""Slope of the logistic over the difference of two mean cosines."""


class Domain:
    """Scores how much nearer a question is to everything else than to the domain."""

    name = "domain"
    stages: frozenset[RailStage] = frozenset({"input"})
    threshold = 0.4

    def __init__(self, description: str, examples: Sequence[str], encoder: Callable[[], Encoder]) -> None:
        self._texts = [*_statements(description), *examples]
        self._open = encoder

    def check(self, context: Context) -> Finding:
        """Score from 0 (in the middle of the domain) to 1 (far outside)."""
        return Finding(self.scores([context.text])[0], "off_domain")

    def scores(self, texts: Sequence[str]) -> list[float]:
        """Return how far off-domain each text is."""
        questions = self._open().encode(list(texts), "query")
        difference = _nearness(questions, self._outside) - _nearness(questions, self._inside)
        return [1.0 / (1.0 + math.exp(-_SHARPNESS * float(value))) for value in difference]

    @cached_property
    def _inside(self) -> NDArray[np.float32]:
        return self._open().encode(self._texts, "query")

    @cached_property
    def _outside(self) -> NDArray[np.float32]:
        return self._open().encode(background_questions(), "query")


def background_questions() -> list[str]:
    """Return questions about everything else."""
    text = Path(__file__).with_name("background_questions.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip()]


def _statements(description: str) -> list[str]:
    """Split a description into sentences: each is a point of its own."""
    return [part.strip() for part in description.replace("\n", ". ").split(". ") if part.strip()]


def _nearness(questions: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean cosine to the nearest three points, shape (questions,)."""
    cosines = np.sort(questions @ points.T, axis=1)[:, -_NEAREST:]
    mean: NDArray[np.float32] = cosines.mean(axis=1)
    return mean
