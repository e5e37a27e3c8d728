"""Which of two pieces that disagree holds now: by what their documents say of themselves."""

from __future__ import annotations

from datetime import date
from pathlib import PurePosixPath

from core.clock import now
from core.in_force import OPENING, Span, in_force, years_of
from core.types import ScoredChunk
from core.words import content_words
from generation.passages import Passage

IN_FORCE, UNDATED, NOT_IN_FORCE = 2, 1, 0
ALIKE = 0.6
"""Share of the words of the shorter title from which two documents are editions of one."""
Standing = tuple[int, date]


def standing(passage: Passage, beside: Passage) -> Standing:
    """Return how a piece stands today beside another, the greatest coming first.

    What says that it is in force goes before what says nothing, and that before what has ended or not begun; then the
    later goes before the earlier. Where a document does not say from when on, the year in its title or its file's name
    stands for that beside another edition of it, otherwise the day on which it was read.
    """
    hit, today = passage.evidence.hit, now().date()
    span = _span_of(hit)
    first = span.first or (_year_of(hit) if editions(passage, beside) else None)
    if (first and first > today) or (span.last and span.last < today):
        return NOT_IN_FORCE, first or date.min
    return (IN_FORCE, first) if first else (UNDATED, hit.updated_at.date())


def editions(one: Passage, other: Passage) -> bool:
    """Whether the titles of two pieces name the same but for numbers: a price list of one year and of another."""
    first, second = (
        frozenset(word for word in content_words(piece.evidence.hit.title) if word.isalpha()) for piece in (one, other)
    )
    smaller = min(len(first), len(second))
    return smaller > 0 and len(first & second) / smaller >= ALIKE


def _span_of(hit: ScoredChunk) -> Span:
    """Return the span a document was given when it came in; what its opening says besides, where the passage has it."""
    opening = hit.chunk.text[: max(0, OPENING - hit.chunk.start)]
    spoken = in_force(opening, hit.title)
    return Span(hit.effective_from.date() if hit.effective_from else spoken.first, spoken.last)


def _year_of(hit: ScoredChunk) -> date | None:
    """Return the beginning of the last year that a document's title names, its file's name where that names none."""
    years = years_of(hit.title) or years_of(PurePosixPath(hit.source).stem)
    return date(max(years), 1, 1) if years else None
