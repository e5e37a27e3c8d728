"""Where a row's evidence lies in the cleaned text: pages by the store's own page table, sections by their words.

Source files mark sections with comments (`<!-- section 3 -->`) that cleaning takes out, so a section is found again by
its letters and digits, which cleaning keeps.
"""

from __future__ import annotations

import bisect
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MARKER = re.compile(r"<!--\s*((?:section|paragraph|page)\s+[\w.-]+)\s*-->", re.IGNORECASE)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
ANCHOR_CHARACTERS = 24  # long enough to be unique within a section's neighbourhood, short enough to survive edits


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of characters."""

    start: int
    end: int

    def overlap(self, other: Span) -> int:
        """Return how many characters the two share."""
        return max(0, min(self.end, other.end) - max(self.start, other.start))

    def mostly_in(self, other: Span) -> bool:
        """Whether at least half of this span lies in the other."""
        return self.end > self.start and 2 * self.overlap(other) >= self.end - self.start

    def meets(self, other: Span) -> bool:
        """Whether the two share at least half of the shorter one."""
        shorter = min(self.end - self.start, other.end - other.start)
        return shorter > 0 and 2 * self.overlap(other) >= shorter


class LetterMap:
    """A text reduced to lower-case letters and digits, with the way back to its offsets."""

    def __init__(self, text: str) -> None:
        kept = [(position, letter) for position, character in enumerate(text) for letter in _plain(character)]
        self.offsets = [position for position, _ in kept]
        self.letters = "".join(letter for _, letter in kept)

    def find(self, wanted: str, start: int = 0) -> Span | None:
        """Return where a passage stands, by its letters: whole, else from its first to its last recognised line."""
        key = letters(wanted)
        if not key or not self.letters:
            return None
        at = self.letters.find(key, start)
        return self._span(at, at + len(key)) if at >= 0 else self._find_by_lines(wanted, start)

    def _find_by_lines(self, wanted: str, start: int) -> Span | None:
        keys = [key for line in wanted.splitlines() if len(key := letters(line)) >= ANCHOR_CHARACTERS]
        first: int | None = None
        last, position, matched = 0, start, 0
        for key in keys:
            at = self.letters.find(key[:ANCHOR_CHARACTERS], position)
            if at < 0:
                continue
            first = at if first is None else first
            position, last, matched = at + ANCHOR_CHARACTERS, at + len(key), matched + 1
        if first is None or 2 * matched < len(keys):
            return None
        return self._span(first, min(last, len(self.letters)))

    def _span(self, first: int, end: int) -> Span:
        return Span(self.offsets[first], self.offsets[end - 1] + 1)


def letters(text: str) -> str:
    """Return the lower-case letters and digits of a text."""
    return "".join(map(_plain, text))


def _plain(character: str) -> str:
    """Return the letters and digits a character stands for, lower-case; ligatures and full-width forms opened."""
    if not character.isascii():
        character = unicodedata.normalize("NFKC", character)
    return "".join(part for part in character.lower() if part.isalnum())


def marked_sections(raw: str) -> dict[str, str]:
    """Cut a source text at its section comments: name in lower case → text of the section."""
    markers = list(MARKER.finditer(raw))
    ends = [marker.start() for marker in markers[1:]] + [len(raw)] * bool(markers)
    return {
        section_name(marker.group(1)): COMMENT.sub(" ", raw[marker.end() : end])
        for marker, end in zip(markers, ends, strict=True)
    }


def section_name(name: str) -> str:
    """Return a section's name in one form: lower case, single spaces."""
    return " ".join(name.lower().split())


@dataclass(frozen=True, slots=True)
class DocumentText:
    """The newest version of a stored document, and the section spans known for it."""

    id: str
    source: str
    text: str
    pages: Mapping[int, Span] = field(default_factory=dict)
    sections: Mapping[str, Span] = field(default_factory=dict)


def page_spans(rows: Iterable[Iterable[int]]) -> dict[int, Span]:
    """Read the store's page table, `[[page, start, end], …]`; a page in several pieces spans them all."""
    spans: dict[int, Span] = {}
    for page, start, end in rows:
        known = spans.get(page)
        spans[page] = Span(start, end) if known is None else Span(min(known.start, start), max(known.end, end))
    return spans


def section_spans(raw: str, cleaned: str) -> dict[str, Span]:
    """Find each marked section of a source text in its cleaned text, in reading order."""
    sections = marked_sections(raw)
    if not sections:
        return {}
    found: dict[str, Span] = {}
    reduced = LetterMap(cleaned)
    position = 0
    for name, text in sections.items():
        span = reduced.find(text, position)
        if span is None:
            continue
        found[name] = span
        position = _reduced_position(reduced, span.start)
    return found


def _reduced_position(reduced: LetterMap, offset: int) -> int:
    return bisect.bisect_left(reduced.offsets, offset)
