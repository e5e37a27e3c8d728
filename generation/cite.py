"""From markers in a draft to exact places in documents.

A draft is parsed into claims with markers; a span inside a chunk becomes a span of the document's cleaned text
(`chunk.start + offset`); the final text is composed from the claims that stay, with markers numbered anew, one
for each distinct place.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from core.sentences import split_sentences
from core.types import Box, Citation, Claim, Evidence, Support
from generation.prompts import NOT_FOUND

_MARKERS = re.compile(r"(?:(?<!\s)\s+)?\[\s*\d{1,3}(?:\s*[,;]\s*\d{1,3})*\s*\]")
_DIGITS = re.compile(r"\d{1,3}")
_OPEN_MARKER = re.compile(r"(?:(?<!\s)\s+)?\[[\d\s,;]*$")
"""A marker that is still being written belongs to the claim before it, not to a new one."""
_MAY_END = re.compile(r"[.!?…。！？\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""What every end of a claim holds: until it is written, a draft need not be cut again for each piece."""


@dataclass(frozen=True, slots=True)
class DraftClaim:
    """One sentence of a draft without its markers, and what stands before it: the space or line end, a list's mark."""

    text: str
    markers: tuple[int, ...]
    separator: str


@dataclass(frozen=True, slots=True)
class Place:
    """The span of one evidence passage that supports a claim; offsets into the chunk's text."""

    evidence: Evidence
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Checked:
    """A claim with its verdict and the places that support it, best first."""

    claim: DraftClaim
    verdict: Support
    score: float
    places: tuple[Place, ...]


def parse_draft(text: str, known: Iterable[int]) -> list[DraftClaim]:
    """Split a draft into claims; markers that name no evidence are dropped."""
    allowed = frozenset(known)
    plain: list[str] = []
    placed: list[tuple[int, int]] = []
    length = position = 0
    for match in _MARKERS.finditer(text):
        plain.append(text[position : match.start()])
        length += match.start() - position
        position = match.end()
        placed.extend((length, int(number)) for number in _DIGITS.findall(match.group()))
    plain.append(text[position:])
    return _claims("".join(plain), [(at, marker) for at, marker in placed if marker in allowed])


def claims_as_written(pieces: Iterable[str], known: Iterable[int]) -> Iterator[list[DraftClaim]]:
    """Yield claims as the pieces of a draft make them whole; end where it says that the passages do not answer."""
    known = frozenset(known)
    text, done, since = "", 0, 0
    for piece in pieces:
        text += piece
        if NOT_FOUND in text:
            return
        if not _MAY_END.search(text, since):
            continue
        claims = parse_draft(_OPEN_MARKER.sub("", text), known)
        if len(claims) - 1 > done:
            yield claims[done:-1]
            done = len(claims) - 1
            if not _MAY_END.search(claims[-1].text):
                since = len(text) - len(piece)
    yield parse_draft(text, known)[done:]


def _claims(text: str, placed: list[tuple[int, int]]) -> list[DraftClaim]:
    spans = _spans(text)
    if not spans:
        return []
    markers: list[list[int]] = [[] for _ in spans]
    for at, marker in placed:  # a marker belongs to the last sentence that began before it
        owner = max((index for index, (start, _) in enumerate(spans) if start < at), default=0)
        if marker not in markers[owner]:
            markers[owner].append(marker)
    claims: list[DraftClaim] = []
    for index, (start, end) in enumerate(spans):
        separator = _separator(text[spans[index - 1][1] : start]) if index else _opening(text[:start])
        claims.append(DraftClaim(_tidy(text[start:end]), tuple(markers[index]), separator))
    return claims


def _separator(before: str) -> str:
    """Return what stands between two claims: a space, a line end, or a line end and the mark of a list item."""
    _, line_end, mark = before.rpartition("\n")
    if not line_end:
        return " "
    return f"\n{_tidy(mark)} " if mark.strip() else "\n"


def _opening(before: str) -> str:
    """Return what stands before the first claim: the mark of a list item, nothing of a heading or a sentence."""
    mark = _tidy(before.rpartition("\n")[2]).strip("#")
    return f"{mark} " if mark else ""


def _spans(text: str) -> list[tuple[int, int]]:
    """Return the sentences of a draft; unlike in a document, a line end always ends one."""
    found: list[tuple[int, int]] = []
    position = 0
    for line in text.splitlines(keepends=True):
        found.extend((position + start, position + end) for start, end in split_sentences(line))
        position += len(line)
    return found


def _tidy(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@dataclass(frozen=True, slots=True)
class Composed:
    """A final text with its claims and citations; markers count from 1 in order of appearance."""

    text: str
    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]


class Composer:
    """Builds the final text claim by claim, so that a stream and a whole answer come out the same."""

    def __init__(self) -> None:
        self._text = ""
        self._claims: list[Claim] = []
        self._citations: list[Citation] = []
        self._numbers: dict[tuple[str, int, int, int], int] = {}

    def add(self, checked: Checked) -> tuple[str, Claim, tuple[Citation, ...]]:
        """Append a claim; return the text that was added, the claim, and the citations that are new."""
        fresh: list[Citation] = []
        markers: list[int] = []
        for place in checked.places:
            citation = self._cite(place, checked.verdict)
            if citation.marker > len(self._citations):
                self._citations.append(citation)
                fresh.append(citation)
            if citation.marker not in markers:
                markers.append(citation.marker)
        separator = checked.claim.separator if self._text else checked.claim.separator.lstrip()
        start = len(self._text) + len(separator)
        tail = "".join(f"[{marker}]" for marker in markers)
        added = separator + checked.claim.text + (f" {tail}" if tail else "")
        end = start + len(checked.claim.text)
        claim = Claim(checked.claim.text, start, end, tuple(markers), checked.verdict, round(checked.score, 4))
        self._text += added
        self._claims.append(claim)
        return added, claim, tuple(fresh)

    def result(self) -> Composed:
        """Return what has been composed so far."""
        return Composed(self._text, tuple(self._claims), tuple(self._citations))

    def _cite(self, place: Place, verdict: Support) -> Citation:
        hit = place.evidence.hit
        chunk = hit.chunk
        start, end = chunk.start + place.start, chunk.start + place.end
        key = (chunk.document_id, chunk.version, start, end)
        marker = self._numbers.setdefault(key, len(self._numbers) + 1)
        return Citation(
            marker=marker,
            document_id=chunk.document_id,
            version=chunk.version,
            title=hit.title,
            source=hit.source,
            page=chunk.page,
            start=start,
            end=end,
            quote=chunk.text[place.start : place.end],
            score=round(place.score, 4),
            verdict=verdict,
            updated_at=(hit.effective_from or hit.updated_at).isoformat(),
            also_in=hit.also_in,
            chunk_id=chunk.id,
        )


def boxes_for(layout: bytes | None, start: int, end: int) -> tuple[Box, ...]:
    """Return the rectangles of the lines that the span [start, end) of a document's cleaned text touches.

    `layout` is `DocumentVersion.layout`: zlib-compressed JSON rows [start, end, page, x0, y0, x1, y1] in points.
    """
    if not layout:
        return ()
    rows: Sequence[Sequence[float]] = json.loads(zlib.decompress(layout))
    return tuple(
        Box(int(page), x0, y0, x1, y1) for first, last, page, x0, y0, x1, y1 in rows if first < end and last > start
    )


def page_at(pages: Sequence[Sequence[int]], offset: int) -> int | None:
    """Return the 1-based page that holds a character, from `DocumentVersion.pages`; `None` without pages."""
    return next((int(number) for number, start, end in pages if start <= offset < end), None)
