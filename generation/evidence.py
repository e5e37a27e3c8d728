"""Which retrieved passages a generator sees: the best that fit its window, under markers, in a stable order."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from core.settings import Settings
from core.types import Evidence, Retrieval, ScoredChunk

PROMPT_TOKENS = 350
"""Tokens kept for the system prompt, the question and the chat template."""
MARKER_TOKENS = 24
"""Tokens of the lines around one passage: marker, title, page."""
CHARACTERS_PER_TOKEN = 3.2
"""A cautious mean over English and European text, used where the model's own tokenizer is not at hand."""
_WORD = re.compile(r"[A-Za-z]+")
_OTHER = re.compile(r"[^A-Za-z \n]+|\n+| (?![A-Za-z])")


def estimate_tokens(text: str) -> int:
    """Return a count of tokens that errs on the high side."""
    return int(len(text) / CHARACTERS_PER_TOKEN) + 1


@lru_cache(maxsize=2048)  # the same passages come back, question after question
def most_tokens(text: str) -> int:
    """Return as many tokens as a text can well have: 1.6 to 2 times those of prose, code or financial tables.

    A token holds three letters of a word, one and a half of a name in capitals, one digit or sign, one byte of any
    other writing. Only random letters were seen to have more, by a tenth.
    """
    words = sum(-(-len(word) // 3) if word[1:].islower() else -(-2 * len(word) // 3) for word in _WORD.findall(text))
    return words + sum(
        1 if other.isspace() else len(other.encode("utf-8", "replace")) for other in _OTHER.findall(text)
    )


def select_evidence(
    retrieval: Retrieval, settings: Settings, count_tokens: Callable[[str], int] = estimate_tokens
) -> tuple[Evidence, ...]:
    """Return the best hits that fit the model's window, ordered by source and position.

    The order does not depend on scores, so that the same passages make the same prompt and a server's prefix
    cache serves them again.
    """
    generation = settings.generation
    budget = generation.context_tokens - generation.max_tokens - PROMPT_TOKENS
    most = sum(most_tokens(hit.chunk.text) + MARKER_TOKENS for hit in retrieval.hits)
    chosen: list[ScoredChunk] = list(retrieval.hits) if most <= budget else []
    for hit in retrieval.hits if most > budget else ():  # only here does a model server have to count
        cost = count_tokens(hit.chunk.text) + MARKER_TOKENS
        if cost > budget:
            continue
        budget -= cost
        chosen.append(hit)
    chosen.sort(key=lambda hit: (hit.collection, hit.source, hit.chunk.version, hit.chunk.start))
    return tuple(Evidence(marker, hit) for marker, hit in enumerate(chosen, start=1))
