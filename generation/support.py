"""How far pieces of evidence support claims.

With the `groundedness` adapter: the windows of evidence that share most words with a claim are judged by the model,
the words that one piece holds count besides (`models/grounding.py`), and within a window each piece counts by its share
of the claim's words. Without it: meaning and shared words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.sentences import split_sentences, windows
from core.settings import Settings
from core.types import Evidence
from core.words import content_words, coverage
from generation.passages import Passage
from models.grounding import ADAPTER, Blend

if TYPE_CHECKING:
    from models.adapters import Classifier

WINDOW = 700
"""Characters, about 160 tokens: a sentence with what it leans on; longer windows judge worse and take longer."""
JUDGED = 3
"""Windows the model judges a claim: about 15 ms each on two cores, so a claim stays under 60 ms."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The scores from which a claim is supported, and partly so."""

    supported: float
    partial: float


WITHOUT_ADAPTER = Limits(0.62, 0.45)
PARTIAL_SHARE = 0.6
"""Of the adapter's threshold: what misses it by less is shown as partly supported."""


def limits(classifier: Classifier | None) -> Limits:
    """Return the limits of what judges."""
    if classifier is None or not classifier.has(ADAPTER):
        return WITHOUT_ADAPTER
    threshold = float(classifier.card(ADAPTER).get("threshold", 0.5))
    return Limits(threshold, threshold * PARTIAL_SHARE)


def support_scores(
    claims: Sequence[str], passages: Sequence[Passage], settings: Settings, classifier: Classifier | None = None
) -> list[list[float]]:
    """Return one row a claim, one score in [0, 1] a passage."""
    held = [content_words(passage.in_context) for passage in passages]
    overlaps = [[coverage(wanted, words) for words in held] for wanted in map(content_words, claims)]
    if classifier is not None and classifier.has(ADAPTER):
        return _judged(claims, passages, overlaps, classifier)
    return _by_meaning(claims, passages, overlaps, settings)


def _judged(
    claims: Sequence[str], passages: Sequence[Passage], overlaps: list[list[float]], classifier: Classifier
) -> list[list[float]]:
    cuts = [(item, cut) for item in _evidence(passages) for cut in _windows(item)]
    words = [content_words(_shown(item, cut)) for item, cut in cuts]
    asked: list[tuple[int, int]] = []
    for index, wanted in enumerate(map(content_words, claims)):
        order = sorted(range(len(cuts)), key=lambda cut: -coverage(wanted, words[cut]))
        asked.extend((index, cut) for cut in order[:JUDGED])
    scores = classifier.score(ADAPTER, [(claims[index], _shown(*cuts[cut])) for index, cut in asked])
    blend = Blend.of(classifier.card(ADAPTER))
    found = [[0.0] * len(passages) for _ in claims]
    for (index, cut), score in zip(asked, scores, strict=True):
        item, (start, end) = cuts[cut]
        inside = [
            number
            for number, passage in enumerate(passages)
            if passage.evidence.marker == item.marker and passage.unit.start < end and passage.unit.end > start
        ]
        best = max((overlaps[index][number] for number in inside), default=0.0)
        support = blend.support(float(score), best)
        for number in inside:
            share = (overlaps[index][number] / best) ** 0.5 if best else 1.0
            found[index][number] = max(found[index][number], support * share)
    return found


def _by_meaning(
    claims: Sequence[str], passages: Sequence[Passage], overlaps: list[list[float]], settings: Settings
) -> list[list[float]]:
    from models.encoder import load_encoder

    encoder = load_encoder(settings.embedder)
    texts = [passage.in_context for passage in passages]
    meaning = encoder.encode(list(claims), "query") @ encoder.encode(texts, "document").T
    return [
        [
            0.5 * overlap + 0.5 * min(1.0, max(0.0, (float(value) - 0.3) / 0.5))
            for overlap, value in zip(*rows, strict=True)
        ]
        for rows in zip(overlaps, meaning, strict=True)
    ]


def _evidence(passages: Sequence[Passage]) -> list[Evidence]:
    return list({passage.evidence.marker: passage.evidence for passage in passages}.values())


def _windows(item: Evidence) -> list[tuple[int, int]]:
    text = item.hit.chunk.text
    return windows(split_sentences(text), text, WINDOW)


def _shown(item: Evidence, cut: tuple[int, int]) -> str:
    """Return a window as the model sees it: under its headings, which often name what the text only calls "it"."""
    heading = item.hit.chunk.heading or item.hit.title
    return f"{heading}\n{item.hit.chunk.text[slice(*cut)]}".strip()
