"""The quotable pieces of the evidence and how well each answers a question."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.sentences import Unit, split_units
from core.settings import Settings
from core.types import Evidence
from generation.readings import offset_of, read_evidence
from generation.words import content_words

if TYPE_CHECKING:
    from models.adapters import Classifier

SHORTEST = 3
"""Words; a shorter piece that is not a list item or row says nothing alone."""
MEANING = 0.6
"""Share of the embedding similarity against word overlap where no reader is installed."""
SUPPORT, HOLDS, OVERLAP = 0.5, 0.2, 0.3
"""Shares of the reader's support, of holding its answer span, and of shared words in a piece's score."""
FLOOR = 0.35
"""What a piece keeps of its score in a passage that the reader gives up on."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One unit of one evidence chunk."""

    evidence: Evidence
    unit: Unit

    @property
    def text(self) -> str:
        """The words of the unit."""
        return self.evidence.hit.chunk.text[self.unit.start : self.unit.end]

    @property
    def lead(self) -> str:
        """What introduces the unit, empty for a plain sentence."""
        return self.evidence.hit.chunk.text[slice(*self.unit.lead)] if self.unit.lead else ""

    @property
    def header(self) -> str:
        """What names the cells of a table row: the header that a chunk cut from a longer table has in its headings."""
        above = [line for line in self.evidence.hit.chunk.heading.splitlines() if line.lstrip().startswith("|")]
        return above[-1] if above else self.lead

    @property
    def in_context(self) -> str:
        """The unit after its headings and lead, as it is compared with a question."""
        parts = (self.evidence.hit.chunk.heading, self.lead, self.text)
        return "\n".join(part for part in parts if part)


def passages_of(evidence: Sequence[Evidence]) -> list[Passage]:
    """Return every quotable piece of the evidence; headings are context, never quotes."""
    return [
        Passage(item, unit)
        for item in evidence
        for unit in split_units(item.hit.chunk.text)
        if unit.kind != "heading" and _says_something(item.hit.chunk.text[unit.start : unit.end], unit)
    ]


def rank_passages(
    question: str, passages: Sequence[Passage], settings: Settings, classifier: Classifier | None = None
) -> list[tuple[float, Passage]]:
    """Return the passages with their scores in [0, 1], best first.

    The reader scores them where its weights are installed; meaning and shared words where not.
    """
    if not passages:
        return []
    scores = _read_scores(question, passages, settings) or _plain_scores(question, passages, settings)
    order = sorted(range(len(passages)), key=lambda index: (-scores[index], index))
    return [(scores[index], passages[index]) for index in order]


def _read_scores(question: str, passages: Sequence[Passage], settings: Settings) -> list[float] | None:
    """Return the reader's score of each piece: its passage answers, the piece supports, the answer stands in it."""
    evidence = list({passage.evidence.marker: passage.evidence for passage in passages}.values())
    readings = read_evidence(question, evidence, settings)
    if readings is None:
        return None
    by_marker = {item.marker: reading for item, reading in zip(evidence, readings, strict=True)}
    scores = []
    for passage, overlap in zip(passages, _overlaps(question, passages), strict=True):
        reading = by_marker[passage.evidence.marker]
        if reading is None:
            scores.append(0.0)
            continue
        shift = offset_of(passage.evidence)
        start, end = passage.unit.start + shift, passage.unit.end + shift
        holds = float(start <= reading.span[0] < end)
        piece = SUPPORT * reading.support_of(start, end) + HOLDS * holds + OVERLAP * overlap
        scores.append(piece * (FLOOR + (1 - FLOOR) / (1 + math.exp(-reading.logit))))
    return scores


def _plain_scores(question: str, passages: Sequence[Passage], settings: Settings) -> list[float]:
    meaning = _similarities(question, passages, settings)
    overlap = _overlaps(question, passages)
    best = max(item.evidence.hit.score for item in passages) or 1.0
    return [
        (MEANING * m + (1 - MEANING) * o + 0.1 * passage.evidence.hit.score / best) / 1.1
        for m, o, passage in zip(meaning, overlap, passages, strict=True)
    ]


def passage_text(passage: Passage) -> str:
    """Return a piece as a sentence that can stand alone: a list item after its lead, a table row under its header."""
    text, lead = passage.text, passage.lead
    if passage.unit.kind == "row":
        return _row(text, passage.header)
    return flat(f"{lead} {text}" if lead else text)


def _row(row: str, header: str) -> str:
    cells, names = _cells(row), _cells(header)
    if not header or len(cells) != len(names):
        return flat("; ".join(cell for cell in cells if cell))
    return flat("; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=True) if cell))


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"\s*\|\s*|\t", row.strip().strip("|"))] if row else []


def flat(text: str) -> str:
    """Return the text on one line, without brackets that would read as markers."""
    return re.sub(r"\[(\s*\d[\d\s,;]*)\]", r"(\1)", re.sub(r"\s+", " ", text)).strip()


def _similarities(question: str, passages: Sequence[Passage], settings: Settings) -> list[float]:
    from models.encoder import load_encoder

    encoder = load_encoder(settings.embedder)
    asked = encoder.encode([question], "query")
    found = encoder.encode([passage.in_context for passage in passages], "document")
    return [max(0.0, float(value)) for value in (found @ asked[0])]


def _overlaps(question: str, passages: Sequence[Passage]) -> list[float]:
    """Return the share of the question's words each passage holds, words that few passages hold counting more."""
    wanted = content_words(question)
    held = [content_words(passage.in_context) & wanted for passage in passages]
    weight = {word: math.log(1 + len(held) / (1 + sum(word in words for words in held))) for word in wanted}
    total = sum(weight.values())
    return [sum(weight[word] for word in words) / total if total else 0.0 for words in held]


def _says_something(text: str, unit: Unit) -> bool:
    return len(text.split()) >= SHORTEST or (unit.kind in ("item", "row") and bool(text.strip()))
