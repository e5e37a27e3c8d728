"""Cleaned text → passages along its structure: headings, pages, paragraphs, list items, table rows, sentences.

`text == document.text[start:end]` for every passage; what it lacks outside its slice, the headings above it and
the header of the table it continues, is in `heading`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

from ingest.parsed import ParsedDocument
from ingest.tokens import TokenCounter
from ingest.units import Unit, trim_end, units_of

CHUNKER_VERSION = 2
"""Raise it when the same text gives other passages: stores made before must be reindexed."""
SECTION_MIN_SHARE = 0.3  # a section shorter than this share of a passage is joined with the next
MAX_HEADING_CHARACTERS = 180
SPECIAL_TOKENS = 2
LEAST_BUDGET = 32
"""Tokens that a passage may have below however long a heading."""
SEPARATOR = " › "
LONG_UNIT = 50_000
"""Characters of a unit that is cut piece by piece, never tokenised whole."""
UNITS_AT_ONCE = 2048
"""Units whose tokens are counted together: a text of millions of words is never held as units."""


class Sizes(Protocol):
    """How long passages are."""

    @property
    def chunk_tokens(self) -> int:
        """Most tokens of a passage."""

    @property
    def chunk_overlap_tokens(self) -> int:
        """Most tokens of prose repeated at the head of the next passage."""


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A passage before it has an id."""

    start: int
    end: int
    page: int | None
    heading: str
    text: str

    @property
    def embedded(self) -> str:
        """What the encoder and the lexical index see."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text


def chunker_spec(settings: Sizes) -> str:
    """Return the canonical JSON of the chunker, part of a generation's identity."""
    return json.dumps(
        {
            "name": "structure",
            "version": CHUNKER_VERSION,
            "tokens": settings.chunk_tokens,
            "overlap": settings.chunk_overlap_tokens,
        },
        sort_keys=True,
    )


def chunk(document: ParsedDocument, settings: Sizes, tokens: TokenCounter, max_tokens: int) -> list[ChunkDraft]:
    """Cut a document into passages of at most `chunk_tokens` tokens that, with their heading, fit `max_tokens`."""
    packer = _Packer(document, settings, tokens, max_tokens)
    units = units_of(document)
    while some := list(islice(units, UNITS_AT_ONCE)):
        packer.pack(some)
    packer.end()
    return packer.chunks


class _Packer:
    """Gathers units until the next one would overflow or begins something new."""

    def __init__(self, document: ParsedDocument, settings: Sizes, tokens: TokenCounter, max_tokens: int) -> None:
        self.chunks: list[ChunkDraft] = []
        self._text, self._title = document.text, document.title
        self._counter, self._settings = tokens, settings
        self._room = max_tokens - SPECIAL_TOKENS
        self._headings: dict[tuple[tuple[str, ...], str], tuple[str, int]] = {}
        self._budgets: dict[tuple[tuple[str, ...], str], int] = {}
        self._held: list[Unit] = []
        self._tokens = 0
        """Of the units held."""
        self._path: tuple[str, ...] | None = None
        """The headings above every unit held that is no heading itself; nothing while there is no such unit."""

    def pack(self, units: list[Unit]) -> None:
        """Take the next units of a document."""
        texts = [self._slice(unit) if unit.end - unit.start <= LONG_UNIT else "" for unit in units]
        for unit, text, tokens in zip(units, texts, self._counter.counts(texts), strict=True):
            unit.tokens = tokens
            if text and (tokens <= LEAST_BUDGET or tokens <= self._budget(_above(unit), unit.header)):
                self._add(unit)
            else:
                for piece in self._cut(unit):
                    self._add(piece)

    def end(self) -> None:
        """End the last passage."""
        self._flush()

    def _add(self, unit: Unit) -> None:
        """Take the next unit, ending the passage before it where needed."""
        path = self._path_with(unit)
        if self._held and self._ends_before(unit, path):
            path = self._path_with(unit)
        if unit.kind != "heading":
            self._path = path
        self._held.append(unit)
        self._tokens += unit.tokens

    def _ends_before(self, unit: Unit, path: tuple[str, ...]) -> bool:
        """End the passage where the next unit begins something new or would overflow it; tell whether it was ended."""
        if self._breaks(unit):
            self._flush()
            return True
        if self._tokens + unit.tokens <= self._budget(path, self._held[0].header):
            return False
        overlap = self._overlap(unit)
        self._flush()
        if not self._held:
            self._hold(overlap)
        return True

    def _hold(self, units: list[Unit]) -> None:
        """Begin a passage with some units."""
        self._held = units
        self._tokens = sum(unit.tokens for unit in units)
        self._path = _common_path(units) if any(unit.kind != "heading" for unit in units) else None

    def _cut(self, unit: Unit) -> list[Unit]:
        """Cut a unit that alone overflows a passage between its words."""
        budget = self._budget(_above(unit), unit.header)
        pieces: list[Unit] = []
        start, held = unit.start, 0
        for at, tokens in self._words(unit, budget):
            if held + tokens > budget and at > start:
                pieces.append(replace(unit, start=start, end=trim_end(self._text, start, at), tokens=held))
                start, held = at, 0
            held += tokens
        return [*pieces, replace(unit, start=start, tokens=held)]

    def _words(self, unit: Unit, budget: int) -> Iterator[tuple[int, int]]:
        """Yield where a unit's words start and their tokens; one above the budget in parts."""
        for found, tokens in self._counter.words(self._text, unit.start, unit.end):
            if tokens <= budget:
                yield found.start(), tokens
                continue
            spans = self._counter.spans(found[0])
            for first in range(0, len(spans), budget):
                yield found.start() + (spans[first][0] if first else 0), min(budget, len(spans) - first)

    def _flush(self) -> None:
        """End the passage being gathered; headings at its end go to the next."""
        held = self._held
        self._hold([])
        body = [number for number, unit in enumerate(held) if unit.kind != "heading"]
        if body:
            self._hold(held[body[-1] + 1 :])
            held = held[: body[-1] + 1]
            path = _common_path(held)
            if all(unit.path == path[: len(unit.path)] for unit in held[: body[0]]):
                held = held[body[0] :]
        if held:
            start, end = held[0].start, held[-1].end
            heading, _ = self._heading(_common_path(held), held[0].header)
            self.chunks.append(ChunkDraft(start, end, held[0].page, heading, self._text[start:end]))

    def _breaks(self, unit: Unit) -> bool:
        before = self._held[-1]
        if unit.page != before.page:
            return True
        if unit.kind != "heading" or before.kind == "heading":
            return False
        return self._tokens >= SECTION_MIN_SHARE * self._settings.chunk_tokens

    def _overlap(self, unit: Unit) -> list[Unit]:
        """Return the last sentences of the passage, repeated at the head of the next where prose goes on."""
        taken: list[Unit] = []
        if unit.kind != "text":
            return taken
        tokens = 0
        for before in reversed(self._held[1:]):
            if before.kind != "text" or before.path != unit.path:
                break
            tokens += before.tokens
            if tokens > self._settings.chunk_overlap_tokens:
                break
            taken.insert(0, before)
        whole = sum(before.tokens for before in taken) + unit.tokens
        return taken if whole <= self._budget(unit.path, unit.header) else []

    def _path_with(self, unit: Unit) -> tuple[str, ...]:
        """Return the headings above the units held and one more."""
        if self._path is None:
            return _common_path([*self._held, unit])
        if unit.kind == "heading" or unit.path is self._path:
            return self._path
        return _shared(self._path, unit.path)

    def _budget(self, path: tuple[str, ...], header: str) -> int:
        """Return how many tokens a passage may have below some headings and a table's header."""
        budget = self._budgets.get((path, header))
        if budget is None:
            _, tokens = self._heading(path, header)
            budget = max(LEAST_BUDGET, min(self._settings.chunk_tokens, self._room - tokens))
            self._budgets[path, header] = budget
        return budget

    def _heading(self, path: tuple[str, ...], header: str) -> tuple[str, int]:
        """Return what stands above a passage, and its tokens."""
        known = self._headings.get((path, header))
        if known is None:
            names = [name for name in (self._title, *(name for name in path if name != self._title)) if name]
            heading = SEPARATOR.join(names)
            if len(heading) > MAX_HEADING_CHARACTERS:  # the document and the innermost section say the most
                ends = (names[0][:80], names[-1][:90]) if len(names) > 1 else (names[0][:MAX_HEADING_CHARACTERS],)
                heading = SEPARATOR.join(ends)
            heading = f"{heading}\n{header}" if header else heading
            known = self._headings[path, header] = heading, self._counter.count(heading)
        return known

    def _slice(self, unit: Unit) -> str:
        return self._text[unit.start : unit.end]


def _above(unit: Unit) -> tuple[str, ...]:
    """Return the headings above a unit; a heading is not above itself."""
    return unit.path[:-1] if unit.kind == "heading" else unit.path


def _common_path(units: Sequence[Unit]) -> tuple[str, ...]:
    """Return the headings that stand above every one of some units."""
    paths = [unit.path for unit in units if unit.kind != "heading"] or [_above(unit) for unit in units]
    common = paths[0]
    for path in paths:
        if path is not common:
            common = _shared(common, path)
    return common


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Return what two paths begin with."""
    if one == other:
        return one
    shared = 0
    while shared < min(len(one), len(other)) and one[shared] == other[shared]:
        shared += 1
    return one[:shared]
