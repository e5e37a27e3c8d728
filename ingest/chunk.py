"""Cleaned text → passages along its structure: headings, pages, paragraphs, list items, table rows, sentences.

`text == document.text[start:end]` for every passage; what it lacks outside its slice, the headings above it and
the header of the table it continues, is in `heading`.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from core.settings import IngestSettings
from ingest.parsed import Kind, ParsedDocument, Span
from ingest.tokens import TokenCounter

CHUNKER_VERSION = 2
"""Raise it when the same text gives other passages: stores made before must be reindexed."""
SECTION_MIN_SHARE = 0.3  # a section shorter than this share of a passage is joined with the next
MAX_HEADING_CHARACTERS = 180
MAX_TABLE_HEADER_CHARACTERS = 240
SPECIAL_TOKENS = 2
SEPARATOR = " › "

# Begins with the characters that can end a sentence, so that the search skips from one to the next.
_SENTENCE = re.compile(
    r"[.!?。！？\n](?:"
    r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<!\bNo\.)(?<!\bMr\.)(?<!\bDr\.)(?<!\bMs\.)"
    r"(?<!\bInc\.)(?<!\bCorp\.)(?<!\bU\.S\.)[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9À-ÞА-ЯΑ-Ω•*-])"
    r"|(?<=[。！？])|(?<=\n)\n*)"
)
_RULE = re.compile(r"^\|(?: -+ \|)+$")
_WORD = re.compile(r"\w")
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


@dataclass(slots=True)
class _Unit:
    """The smallest piece that is not cut where that can be avoided."""

    start: int
    end: int
    page: int | None
    kind: Kind
    path: tuple[str, ...]
    header: str = ""
    """The header of the table the unit is a row of, where the unit is not that header."""
    tokens: int = 0


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
    document: ParsedDocument, settings: IngestSettings, tokens: TokenCounter, max_tokens: int
) -> list[ChunkDraft]:
    """Cut a document into passages of at most `chunk_tokens` tokens that, with their heading, fit `max_tokens`."""
    packer = _Packer(document, settings, tokens, max_tokens)
    packer.pack(list(_units(document)))
    return packer.chunks


class _Packer:
    """Gathers units until the next one would overflow or begins something new."""

    def __init__(
        self, document: ParsedDocument, settings: IngestSettings, tokens: TokenCounter, max_tokens: int
    ) -> None:
        self.chunks: list[ChunkDraft] = []
        self._text, self._title = document.text, document.title
        self._counter, self._settings = tokens, settings
        self._room = max_tokens - SPECIAL_TOKENS
        self._headings: dict[tuple[tuple[str, ...], str], tuple[str, int]] = {}
        self._held: list[_Unit] = []
        self._tokens = 0
        """Of the units held."""
        self._path: tuple[str, ...] | None = None
        """The headings above every unit held that is no heading itself; nothing while there is no such unit."""

    def pack(self, units: list[_Unit]) -> None:
        """Take a document's units in order."""
        for unit, tokens in zip(units, self._counter.counts([self._slice(unit) for unit in units]), strict=True):
            unit.tokens = tokens
            if tokens <= self._budget(_above(unit), unit.header):
                self._add(unit)
            else:
                for piece in self._cut(unit):
                    self._add(piece)
        self._flush()

    def _add(self, unit: _Unit) -> None:
        """Take the next unit, ending the passage before it where needed."""
        if self._held:
            if self._breaks(unit):
                self._flush()
            elif self._tokens + unit.tokens > self._budget(self._path_with(unit), self._held[0].header):
                overlap = self._overlap(unit)
                self._flush()
                if not self._held:
                    self._hold(overlap)
        self._path = self._path_with(unit) if unit.kind != "heading" else self._path
        self._held.append(unit)
        self._tokens += unit.tokens

    def _hold(self, units: list[_Unit]) -> None:
        """Begin a passage with some units."""
        self._held = units
        self._tokens = sum(unit.tokens for unit in units)
        self._path = _common_path(units) if any(unit.kind != "heading" for unit in units) else None

    def _cut(self, unit: _Unit) -> list[_Unit]:
        """Cut a unit that alone overflows a passage between its words."""
        budget = self._budget(_above(unit), unit.header)
        starts = [unit.start + start for start, _ in self._counter.spans(self._slice(unit))]
        pieces: list[_Unit] = []
        start, first, last = unit.start, 0, len(starts)
        while last - first > budget:
            cut = self._word_start(starts[first + budget], start)
            pieces.append(replace(unit, start=start, end=_trim_end(self._text, start, cut)))
            start, first = cut, bisect_left(starts, cut)
        pieces.append(replace(unit, start=start))
        for piece, tokens in zip(pieces, self._counter.counts([self._slice(piece) for piece in pieces]), strict=True):
            piece.tokens = tokens
        return pieces

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

    def _breaks(self, unit: _Unit) -> bool:
        before = self._held[-1]
        if unit.page != before.page:
            return True
        if unit.kind != "heading" or before.kind == "heading":
            return False
        return self._tokens >= SECTION_MIN_SHARE * self._settings.chunk_tokens

    def _overlap(self, unit: _Unit) -> list[_Unit]:
        """Return the last sentences of the passage, repeated at the head of the next where prose goes on."""
        taken: list[_Unit] = []
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

    def _path_with(self, unit: _Unit) -> tuple[str, ...]:
        """Return the headings above the units held and one more."""
        if self._path is None:
            return _common_path([*self._held, unit])
        if unit.kind == "heading" or unit.path is self._path:
            return self._path
        return _shared(self._path, unit.path)

    def _budget(self, path: tuple[str, ...], header: str) -> int:
        """Return how many tokens a passage may have below some headings and a table's header."""
        _, tokens = self._heading(path, header)
        return max(32, min(self._settings.chunk_tokens, self._room - tokens))

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

    def _slice(self, unit: _Unit) -> str:
        return self._text[unit.start : unit.end]

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
    header = header if _WORD.search(header) else ""
    start = begin = span.start
    for number, line in enumerate(lines):
        end = start + len(line)
        # The header goes with the first row, never at the end of a passage without one.
        if line and (number >= above or number == len(lines) - 1):
            yield _Unit(begin, end, span.page, "table", path, header if number > above else "")
        start = end + 1
        begin = begin if number < above else start


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


def _above(unit: _Unit) -> tuple[str, ...]:
    """Return the headings above a unit; a heading is not above itself."""
    return unit.path[:-1] if unit.kind == "heading" else unit.path


def _common_path(units: Sequence[_Unit]) -> tuple[str, ...]:
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
