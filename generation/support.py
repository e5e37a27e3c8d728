"""How far pieces of evidence support claims.

With the `groundedness` adapter: the windows of evidence that share most words with a claim are judged by the model, the
best first and the others where it does not settle the claim; the words that one piece holds count besides
(`models/grounding.py`), and within a window each piece counts by its share of the claim's words. The second reader,
where installed, is asked of the evidence that these windows are in, and both are weighed (`models/opinion.py`).
Without the adapter: meaning and shared words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from core.sentences import split_sentences, windows
from core.settings import Settings
from core.types import Evidence
from core.words import content_words, coverage
from generation.passages import Passage
from generation.readings import context_of
from models.grounding import ADAPTER, Blend
from models.opinion import Opinion, load_opinion

if TYPE_CHECKING:
    from models.adapters import Classifier

WINDOW = 700
"""Characters, about 160 tokens: a sentence with what it leans on; longer windows judge worse and take longer."""
ROUNDS = ((0, 1), (1, 3))
"""Windows the model judges of a claim, best first, in two batches: most claims are settled by the first window, and a
score only ever rises with further ones, so that what is supported stays so."""
HEARD = 2
"""Pieces of evidence that the second reader is asked of for one claim: it takes six times as long as the adapter."""
Settled: TypeAlias = Callable[[int, Sequence[float]], bool]
"""Whether a claim, by its place, needs no further window with these scores of the passages."""


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
    claims: Sequence[str],
    passages: Sequence[Passage],
    settings: Settings,
    classifier: Classifier | None = None,
    settled: Settled = lambda _index, _scores: False,
) -> list[list[float]]:
    """Return one row a claim, one score in [0, 1] a passage."""
    held = [content_words(passage.in_context) for passage in passages]
    overlaps = [[coverage(wanted, words) for words in held] for wanted in map(content_words, claims)]
    if classifier is not None and classifier.has(ADAPTER):
        opinion = load_opinion(settings, limits(classifier).supported)
        return _judged(claims, passages, overlaps, classifier, settled, opinion)
    return _by_meaning(claims, passages, overlaps, settings)


def _judged(
    claims: Sequence[str],
    passages: Sequence[Passage],
    overlaps: list[list[float]],
    classifier: Classifier,
    settled: Settled,
    opinion: Opinion | None,
) -> list[list[float]]:
    cuts = [(item, cut) for item in _evidence(passages) for cut in _windows(item)]
    shown = [_shown(item, cut) for item, cut in cuts]
    inside = [_within(item, cut, passages) for item, cut in cuts]
    words = [content_words(text) for text in shown]
    orders = [
        sorted(range(len(cuts)), key=lambda cut: -coverage(wanted, words[cut])) for wanted in map(content_words, claims)
    ]
    blend = Blend.of(classifier.card(ADAPTER))
    found = [[0.0] * len(passages) for _ in claims]
    heard: list[dict[int, float]] = [{} for _ in claims]
    left = list(range(len(claims)))
    for first, last in ROUNDS:
        asked = [(index, cut) for index in left for cut in orders[index][first:last]]
        scores = classifier.score(ADAPTER, [(claims[index], shown[cut]) for index, cut in asked])
        if opinion:
            _hear(opinion, claims, [(index, cuts[cut][0]) for index, cut in asked], heard)
        for (index, cut), score in zip(asked, scores, strict=True):
            best = max((overlaps[index][number] for number in inside[cut]), default=0.0)
            support = blend.support(float(score), best)
            if opinion:
                logit = heard[index].get(cuts[cut][0].marker)
                support = 0.0 if logit is None else opinion.weigh(support, logit)
            _raise(found[index], support, overlaps[index], inside[cut], best)
        left = [index for index in left if not settled(index, found[index])]
    return found


def _hear(
    opinion: Opinion, claims: Sequence[str], asked: Sequence[tuple[int, Evidence]], heard: list[dict[int, float]]
) -> None:
    """Ask the second reader of claims, by their places, beside evidence it has not yet been asked of for them."""
    new: dict[tuple[int, int], Evidence] = {}
    for index, item in asked:
        of_claim = {marker for place, marker in new if place == index} | set(heard[index])
        if item.marker not in of_claim and len(of_claim) < HEARD:
            new[index, item.marker] = item
    logits = opinion.hear([(claims[index], context_of(item)) for (index, _), item in new.items()])
    for (index, marker), logit in zip(new, logits, strict=True):
        heard[index][marker] = logit


def _raise(row: list[float], support: float, overlaps: Sequence[float], inside: Sequence[int], best: float) -> None:
    """Raise the scores of the passages inside a window to what the window's support makes of each."""
    for number in inside:
        share = (overlaps[number] / best) ** 0.5 if best else 1.0
        row[number] = max(row[number], support * share)


def _within(item: Evidence, cut: tuple[int, int], passages: Sequence[Passage]) -> list[int]:
    """Return the places of the passages that a window holds, if only in part."""
    start, end = cut
    return [
        number
        for number, passage in enumerate(passages)
        if passage.evidence.marker == item.marker and passage.unit.start < end and passage.unit.end > start
    ]


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
