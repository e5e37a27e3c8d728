"""Claims that answer with a few words of a sentence ("240 hours"): are they the answer to the question?

A few words stand somewhere in most evidence, so that they stand there says nothing. Each place where they stand is
held against the question: the reader, which points at the answer of a question in a passage, must point there too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.settings import Settings
from core.words import content_words, coverage
from generation.passages import Passage, rank_passages
from generation.readings import offset_of, read_evidence

MOST_WORDS = 12
"""Words of a fragment at most; what is longer says something by itself."""
PART = 0.6
"""Share of its sentence up to which a claim is a fragment of it."""
BEHIND = 2.0
"""Logits by which a fragment may stay behind the best answer that the reader sees in any passage."""
CLOSE = 0.7
"""Share of the best piece's score that the sentence of a fragment must reach."""
NEAR = 0.5
"""Share of the question's words that the sentence around a fragment must hold where no reader is installed."""


@dataclass(frozen=True, slots=True)
class Found:
    """One place where a fragment stands: the piece around it and the characters of its passage."""

    passage: Passage
    start: int
    end: int


def fragments(text: str, passages: Sequence[Passage]) -> list[Found]:
    """Return where a claim stands as a mere part of a piece; nothing where it is too long to be a fragment."""
    told = text.strip(" .;:,")
    if not told or len(told.split()) > MOST_WORDS:
        return []
    pattern = re.compile(standing(told), re.IGNORECASE)
    found = []
    for passage in passages:
        length = passage.unit.end - passage.unit.start
        for match in pattern.finditer(passage.text):
            if match.end() - match.start() <= PART * length:
                start = passage.unit.start
                found.append(Found(passage, start + match.start(), start + match.end()))
    return found


def answering(question: str, found: Sequence[Found], passages: Sequence[Passage], settings: Settings) -> Found | None:
    """Return the place that answers the question, `None` where none does.

    Of the places that the reader points at, or nearly, the one whose sentence would be quoted first; a place whose
    sentence would hardly be quoted answers something else.
    """
    pointed = _pointed_at(question, found, passages, settings)
    if not pointed:
        return None
    ranked = rank_passages(question, passages, settings)
    scores = {id(passage): score for score, passage in ranked}
    best = max(pointed, key=lambda place: scores[id(place.passage)])
    return best if scores[id(best.passage)] >= CLOSE * ranked[0][0] else None


def _pointed_at(question: str, found: Sequence[Found], passages: Sequence[Passage], settings: Settings) -> list[Found]:
    """Return the places that the reader points at, all where no reader is installed."""
    evidence = list({passage.evidence.marker: passage.evidence for passage in passages}.values())
    readings = read_evidence(question, evidence, settings)
    if readings is None:
        wanted = content_words(question)
        return [place for place in found if coverage(wanted, place.passage.in_context) >= NEAR]
    by_marker = {item.marker: reading for item, reading in zip(evidence, readings, strict=True)}
    best = max((reading.margin for reading in readings if reading), default=0.0)
    pointed = []
    for place in found:
        reading, shift = by_marker[place.passage.evidence.marker], offset_of(place.passage.evidence)
        if reading and reading.margin_of(place.start + shift, place.end + shift) >= best - BEHIND:
            pointed.append(place)
    return pointed


def standing(text: str) -> str:
    """Return a pattern that finds words where they stand by themselves, whatever the white space between them.

    Not within a longer word, nor where a number goes on or begins earlier: 3 is not in 3.5, 3:30, 3–5, -3 or 3 %.
    """
    words = r"\s+".join(re.escape(word) for word in text.split())
    return rf"(?<!\w)(?<!\d[.,:/])(?<![-−–](?=\d)){words}(?!\w)(?![.,:/–-]?\d)(?:(?<!\d)|(?!\s?%))"
