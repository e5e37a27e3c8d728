"""Which retrieved passages a generator sees: the best that fit its window, under markers, in a stable order."""

from __future__ import annotations

from collections.abc import Callable

from core.settings import Settings
from core.types import Evidence, Retrieval, ScoredChunk

PROMPT_TOKENS = 350
"""Tokens kept for the system prompt, the question and the chat template."""
MARKER_TOKENS = 24
"""Tokens of the lines around one passage: marker, title, page."""
CHARACTERS_PER_TOKEN = 3.2
"""A cautious mean over English and European text, used where the model's own tokenizer is not at hand."""


def estimate_tokens(text: str) -> int:
    """Return a count of tokens that errs on the high side."""
    return int(len(text) / CHARACTERS_PER_TOKEN) + 1


def select_evidence(
    retrieval: Retrieval, settings: Settings, count_tokens: Callable[[str], int] = estimate_tokens
) -> tuple[Evidence, ...]:
    """Return the best hits that fit the model's window, ordered by source and position.

    The order does not depend on scores, so that the same passages make the same prompt and a server's prefix
    cache serves them again.
    """
    generation = settings.generation
    budget = generation.context_tokens - generation.max_tokens - PROMPT_TOKENS
    chosen: list[ScoredChunk] = []
    for hit in retrieval.hits:
        cost = count_tokens(hit.chunk.text) + MARKER_TOKENS
        if cost > budget:
            continue
        budget -= cost
        chosen.append(hit)
    chosen.sort(key=lambda hit: (hit.collection, hit.source, hit.chunk.version, hit.chunk.start))
    return tuple(Evidence(marker, hit) for marker, hit in enumerate(chosen, start=1))
