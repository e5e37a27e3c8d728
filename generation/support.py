"""How far pieces of evidence support claims, by meaning and shared words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.settings import Settings
from generation.passages import Passage
from generation.words import content_words, coverage

if TYPE_CHECKING:
    from models.adapters import Classifier


def support_scores(
    claims: Sequence[str], passages: Sequence[Passage], settings: Settings, classifier: Classifier | None = None
) -> list[list[float]]:
    """Return one row a claim, one score in [0, 1] a passage."""
    from models.encoder import load_encoder

    encoder = load_encoder(settings.embedder)
    texts = [passage.in_context for passage in passages]
    meaning = encoder.encode(list(claims), "query") @ encoder.encode(texts, "document").T
    held = [content_words(text) for text in texts]
    return [
        [
            0.5 * coverage(wanted, words) + 0.5 * min(1.0, max(0.0, (float(value) - 0.3) / 0.5))
            for words, value in zip(held, row, strict=True)
        ]
        for wanted, row in zip((content_words(claim) for claim in claims), meaning, strict=True)
    ]
