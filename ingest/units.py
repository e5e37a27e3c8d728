"""A cleaned text → the pieces that passages are gathered from: headings, sentences, list items, lines, table rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.parsed import Kind, ParsedDocument, Span

MAX_TABLE_HEADER_CHARACTERS = 240

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


@dataclass(slots=True)
class Unit:
    """The smallest piece that is not cut where that can be avoided."""

    start: int
    end: int
    page: int | None
    kind: Kind
    path: tuple[str, ...]
    header: str = ""
    """The header of the table the unit is a row of, where the unit is not that header."""
    tokens: int = 0


def units_of(document: ParsedDocument) -> Iterator[Unit]:
    """Yield the pieces of a document in order."""
    path: list[tuple[int, str]] = []
    names: tuple[str, ...] = ()
    for span in document.spans:
        if span.kind == "heading":
            while path and path[-1][0] >= span.level:
                path.pop()
            path.append((span.level, document.text[span.start : span.end].replace("\n", " ")))
            names = tuple([name for _, name in path])
            yield Unit(span.start, span.end, span.page, "heading", names)
        elif span.kind == "table":
            yield from _rows(document.text, span, names)
        else:
            for start, end in _sentences(document.text, span):
                yield Unit(start, end, span.page, span.kind, names)


def _rows(text: str, span: Span, path: tuple[str, ...]) -> Iterator[Unit]:
    lines = text[span.start : span.end].split("\n")
    above = _header_rows(lines)
    header = " ".join(line for line in lines[:above] if not _RULE.match(line))[:MAX_TABLE_HEADER_CHARACTERS]
    header = header if _WORD.search(header) else ""
    start = begin = span.start
    for number, line in enumerate(lines):
        end = start + len(line)
        # The header goes with the first row, never at the end of a passage without one.
        if line and (number >= above or number == len(lines) - 1):
            yield Unit(begin, end, span.page, "table", path, header if number > above else "")
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
        end = trim_end(text, start, found.end())
        if end > start:
            yield start, end
            start = found.end()
    end = trim_end(text, start, span.end)
    if end > start:
        yield start, end


def trim_end(text: str, start: int, end: int) -> int:
    """Return where a stretch of text ends without the white space at its end."""
    while end > start and text[end - 1].isspace():
        end -= 1
    return end
