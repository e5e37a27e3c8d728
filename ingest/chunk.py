"""Cleaned text → passages along its structure: headings, pages, paragraphs, list items, table rows, sentences.

`text == document.text[start:end]` for every passage; what it lacks outside its slice, the headings above it and
the header of the table it continues, is in `heading`.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace

from core.settings import IngestSettings
from ingest.parsed import Kind, ParsedDocument, Span
from ingest.tokens import TokenSpans

CHUNKER_VERSION = 1
"""Raise it when the same text gives other passages: stores made before must be reindexed."""
SECTION_MIN_SHARE = 0.3  # a section shorter than this share of a passage is joined with the next
MAX_HEADING_CHARACTERS = 180
MAX_TABLE_HEADER_CHARACTERS = 200
SPECIAL_TOKENS = 2
SEPARATOR = " › "

_SENTENCE = re.compile(
    r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<!\bNo\.)(?<!\bMr\.)(?<!\bDr\.)(?<!\bMs\.)(?<!\bInc\.)(?<!\bCorp\.)(?<!\bU\.S\.)"
    r"[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9À-ÞА-ЯΑ-Ω•*-])|(?<=[。！？])|\n+"
)
_RULE = re.compile(r"^\|(?: -+ \|)+$")
_DIGITS = re.compile(r"\d")


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


@dataclass(frozen=True, slots=True)
class _Unit:
    """The smallest piece that is not cut where that can be avoided."""

    start: int
    end: int
    page: int | None
    kind: Kind
    path: tuple[str, ...]
    header: str = ""
    """The header of the table the unit is a row of, where the unit is not that header."""


def chunker_spec(settings: IngestSettings) -> str:
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


def chunk(
    document: ParsedDocument, settings: IngestSettings, token_spans: TokenSpans, max_tokens: int
) -> list[ChunkDraft]:
    """Cut a document into passages of at most `chunk_tokens` tokens that, with their heading, fit `max_tokens`."""
    packer = _Packer(document, settings, token_spans, max_tokens)
    for unit in _units(document):
        for piece in packer.fitting(unit):
            packer.add(piece)
    packer.flush()
    return packer.chunks


class _Packer:
    """Gathers units until the next one would overflow or begins something new."""

    def __init__(
        self, document: ParsedDocument, settings: IngestSettings, token_spans: TokenSpans, max_tokens: int
    ) -> None:
        self.chunks: list[ChunkDraft] = []
        self._text, self._title = document.text, document.title
        self._starts = [start for start, _ in token_spans(document.text)]
        self._token_spans, self._settings = token_spans, settings
        self._room = max_tokens - SPECIAL_TOKENS
        self._heading_tokens: dict[str, int] = {}
        self._held: list[_Unit] = []

    def add(self, unit: _Unit) -> None:
        """Take the next unit, ending the passage before it where needed."""
        if self._held:
            if self._breaks(unit):
                self.flush()
            elif self._tokens(self._held[0].start, unit.end) > self._budget([*self._held, unit]):
                overlap = self._overlap(unit)
                self.flush()
                self._held = [*overlap, *self._held] if not self._held else self._held
        self._held.append(unit)

    def fitting(self, unit: _Unit) -> Iterator[_Unit]:
        """Yield a unit, cut between words where it alone overflows a passage."""
        budget = self._budget([unit])
        first, last = bisect_left(self._starts, unit.start), bisect_left(self._starts, unit.end)
        if last - first <= budget:
            yield unit
            return
        start = unit.start
        while last - first > budget:
            cut = self._word_start(self._starts[first + budget], start)
            yield replace(unit, start=start, end=_trim_end(self._text, start, cut))
            start, first = cut, bisect_left(self._starts, cut)
        yield replace(unit, start=start)

    def flush(self) -> None:
        """End the passage being gathered; headings at its end go to the next."""
        held, self._held = self._held, []
        body = [number for number, unit in enumerate(held) if unit.kind != "heading"]
        if body:
            self._held = held[body[-1] + 1 :]
            held = held[: body[-1] + 1]
            path = _common_path(held)
            leading = held[: body[0]]
            if all(unit.path == path[: len(unit.path)] for unit in leading):
                held = held[body[0] :]
        if held:
            start, end = held[0].start, held[-1].end
            heading = self._heading(held)
            self.chunks.append(ChunkDraft(start, end, held[0].page, heading, self._text[start:end]))

    def _breaks(self, unit: _Unit) -> bool:
        before = self._held[-1]
        if unit.page != before.page:
            return True
        if unit.kind != "heading" or before.kind == "heading":
            return False
        enough = SECTION_MIN_SHARE * self._settings.chunk_tokens
        return self._tokens(self._held[0].start, before.end) >= enough

    def _overlap(self, unit: _Unit) -> list[_Unit]:
        """Return the last sentences of the passage, repeated at the head of the next where prose goes on."""
        taken: list[_Unit] = []
        if unit.kind != "text":
            return taken
        for before in reversed(self._held[1:]):
            if before.kind != "text" or before.path != unit.path:
                break
            if self._tokens(before.start, unit.start) > self._settings.chunk_overlap_tokens:
                break
            taken.insert(0, before)
        if taken and self._tokens(taken[0].start, unit.end) > self._budget([*taken, unit]):
            return []
        return taken

    def _budget(self, units: list[_Unit]) -> int:
        heading = self._heading(units)
        if heading not in self._heading_tokens:
            self._heading_tokens[heading] = len(self._token_spans(heading))
        return max(32, min(self._settings.chunk_tokens, self._room - self._heading_tokens[heading]))

    def _heading(self, units: list[_Unit]) -> str:
        names = [self._title, *(name for name in _common_path(units) if name != self._title)]
        heading = SEPARATOR.join(name for name in names if name)
        if len(heading) > MAX_HEADING_CHARACTERS:  # the document and the innermost section say the most
            heading = (
                SEPARATOR.join((names[0][:80], names[-1][:90])) if len(names) > 1 else names[0][:MAX_HEADING_CHARACTERS]
            )
        return f"{heading}\n{units[0].header}" if units[0].header else heading

    def _tokens(self, start: int, end: int) -> int:
        return bisect_left(self._starts, end) - bisect_left(self._starts, start)

    def _word_start(self, position: int, after: int) -> int:
        """Return the start of the word around a position, or the position where the word fills everything."""
        at = position
        while at > after and not self._text[at - 1].isspace():
            at -= 1
        return at if at > after else position


def _units(document: ParsedDocument) -> Iterator[_Unit]:
    path: list[tuple[int, str]] = []
    for span in document.spans:
        if span.kind == "heading":
            while path and path[-1][0] >= span.level:
                path.pop()
            path.append((span.level, document.text[span.start : span.end].replace("\n", " ")))
            yield _Unit(span.start, span.end, span.page, "heading", tuple(name for _, name in path))
            continue
        names = tuple(name for _, name in path)
        if span.kind == "table":
            yield from _rows(document.text, span, names)
        else:
            for start, end in _sentences(document.text, span):
                yield _Unit(start, end, span.page, span.kind, names)


def _rows(text: str, span: Span, path: tuple[str, ...]) -> Iterator[_Unit]:
    lines = text[span.start : span.end].split("\n")
    above = _header_rows(lines)
    header = " ".join(line for line in lines[:above] if not _RULE.match(line))[:MAX_TABLE_HEADER_CHARACTERS]
    start = span.start
    for number, line in enumerate(lines):
        if line:
            yield _Unit(start, start + len(line), span.page, "table", path, "" if number < above else header)
        start += len(line) + 1


def _header_rows(lines: list[str]) -> int:
    """Return how many rows head a table: those above the rule, else those before the first row with figures."""
    for number, line in enumerate(lines[:4]):
        if _RULE.match(line):
            return number + 1
    for number, line in enumerate(lines[:6]):
        figures = sum(1 for word in line.split() if _DIGITS.search(word) and not re.fullmatch(r"(?:19|20)\d\d,?", word))
        if figures >= 2:
            return number
    return 0


def _sentences(text: str, span: Span) -> Iterator[tuple[int, int]]:
    """Yield the (start, end) of the sentences of a block; lines of code and lists stand for sentences."""
    start = span.start
    for found in _SENTENCE.finditer(text, span.start, span.end):
        end = _trim_end(text, start, found.end())
        if end > start:
            yield start, end
            start = found.end()
    end = _trim_end(text, start, span.end)
    if end > start:
        yield start, end


def _trim_end(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1].isspace():
        end -= 1
    return end


def _common_path(units: list[_Unit]) -> tuple[str, ...]:
    """Return the headings that stand above every one of some units."""
    paths = [unit.path for unit in units if unit.kind != "heading"] or [unit.path[:-1] for unit in units]
    common = paths[0]
    if all(path == common for path in paths):
        return common
    for path in paths[1:]:
        shared = 0
        while shared < min(len(common), len(path)) and common[shared] == path[shared]:
            shared += 1
        common = common[:shared]
    return common
