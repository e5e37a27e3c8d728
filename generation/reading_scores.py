"""How well the pieces of the evidence answer a question, by what the readers see in their passages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.settings import Settings
from core.types import Message
from generation.readings import offset_of, read_again, read_evidence

if TYPE_CHECKING:
    from generation.passages import Passage
    from models.pointer import SecondReading
    from models.reader import Reading

SUPPORT, POINTS, OVERLAP = 0.28, 0.36, 0.36
"""Shares of the reader's support, of where it points at the answer, and of shared words in a piece's score: on 149
held-out squad2 questions the first piece holds the answer for 0.84 of them, with half of the score support 0.82."""
POINTED = 0.4
"""Share of the second reader's pointer beside these."""
SPREAD = 8.0
"""Logits behind the best answer of all passages at which a piece's pointing counts a third."""
SECOND = 0.75
"""What the second reader's word of a passage weighs beside the reader's, about as in the calibration."""
FLOOR = 0.35
"""What a piece keeps of its score in a passage that the readers give up on."""


def read_scores(
    question: str,
    passages: Sequence[Passage],
    shared: Sequence[float],
    settings: Settings,
    history: Sequence[Message] = (),
) -> list[float] | None:
    """Return the score of each piece: its passage answers, the piece supports, the answer stands in it.

    `shared` says how many of the question's words each holds. `None` where no reader is installed.
    """
    evidence = list({passage.evidence.marker: passage.evidence for passage in passages}.values())
    readings = read_evidence(question, evidence, settings)
    if readings is None:
        return None
    markers = [item.marker for item in evidence]
    by_marker = dict(zip(markers, readings, strict=True))
    again = read_again(question, evidence, settings, history)
    likely = dict(zip(markers, likelihoods(readings, again), strict=True))
    pointed = _pointed(passages, dict(zip(markers, again or (), strict=False)))
    best = max((reading.margin for reading in readings if reading), default=0.0)
    scores = []
    for place, (passage, overlap) in enumerate(zip(passages, shared, strict=True)):
        reading = by_marker[passage.evidence.marker]
        if reading is None:
            scores.append(0.0)
            continue
        start, end = _within(passage)
        points = math.exp(min(0.0, reading.margin_within(start, end) - best) / SPREAD)
        piece = SUPPORT * reading.support_of(start, end) + POINTS * points + OVERLAP * overlap
        if pointed:
            piece += POINTED * (pointed.get(place, 0.0) - piece)
        scores.append(piece * (FLOOR + (1 - FLOOR) / (1 + math.exp(-likely[passage.evidence.marker]))))
    return scores


def likelihoods(readings: Sequence[Reading | None], again: Sequence[SecondReading | None] | None) -> list[float]:
    """Return the logit of each passage's answering by both readers.

    What was not read again is no likelier than what was; `-inf` where nothing was read.
    """
    if again is None:
        return [reading.logit if reading else -math.inf for reading in readings]
    both = [
        None if reading is None or second is None else (1 - SECOND) * reading.logit + SECOND * second.logit
        for reading, second in zip(readings, again, strict=True)
    ]
    least = min((logit for logit in both if logit is not None), default=math.inf)
    return [
        logit if logit is not None else min(least, reading.logit) if reading else -math.inf
        for reading, logit in zip(readings, both, strict=True)
    ]


def _pointed(passages: Sequence[Passage], again: Mapping[int, SecondReading | None]) -> dict[int, float]:
    """Return, by place, how likely the second reader finds each piece of a passage it read to hold the answer."""
    found: dict[int, float] = {}
    for marker, reading in again.items():
        places = [place for place, passage in enumerate(passages) if passage.evidence.marker == marker]
        if reading and (pointed := reading.pointed([_within(passages[place]) for place in places])):
            found |= zip(places, pointed, strict=True)
    return found


def _within(passage: Passage) -> tuple[int, int]:
    """Return where a piece stands in its passage as the readers see it."""
    shift = offset_of(passage.evidence)
    return passage.unit.start + shift, passage.unit.end + shift
