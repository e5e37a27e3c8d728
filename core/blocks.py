"""A text cut into blocks by its lines: headings, paragraphs, list items, table rows.

Cleaned texts mark no headings. A short line of its own that no sentence ends, above prose, a list or a table, is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["sentence", "item", "row", "header", "heading"]
LONGEST_TITLE = 80
"""Characters of a line that is a heading, or names the list below it without a colon."""
LEAST_BELOW = 40
"""Characters of a line from which a title of less than half its length above it was broken off on purpose."""
LEAST_CAPITALS = 4
"""Letters of a numbered line in capitals that is a heading, not a name as "KX-100"."""

_HEADING = re.compile(r"\s{0,3}#{1,6}\s+\S")
_ITEM = re.compile(r"\s*(?:[-*+•‣◦–]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+(?=\S)")
RULE = re.compile(r"[\s:|\-=+]{3,}$")
_NUMBERED = re.compile(r"\s*\(?(\d{1,3})[.)]\s")
_COMMENT = re.compile(r"\s*<!--.*-->\s*$")


class Block(NamedTuple):
    """A block at `text[start:end]`, without what marks it and without outer white space."""

    kind: Kind
    start: int
    end: int


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a text in order; what is invisible or a mere rule belongs to none."""
    return list(_with_headings(text, list(_cut(text))))


def _with_headings(text: str, found: list[Block]) -> Iterator[Block]:
    """Yield the blocks, those that stand as titles above what follows as headings.

    A title above a title is one only at the head of a text: further down, short lines in a row are facts.
    """
    around = zip([None, *found], [*found[1:], None], strict=False)
    shaped = [_is_title(text, block, beside) for block, beside in zip(found, around, strict=False)]
    for place, block in enumerate(found):
        below = shaped[place + 1 : place + 3]
        titled = shaped[place] and (below[:1] == [False] or (place == 0 and below == [True, False]))
        yield Block("heading", block.start, block.end) if titled else block


def _is_title(text: str, block: Block, beside: Sequence[Block | None]) -> bool:
    """Whether a block by its shape could be a heading: one short line of its own that no sentence ends."""
    line = text[block.start : block.end]
    if "\n" in line or len(line) > LONGEST_TITLE or block.kind not in ("sentence", "item"):
        return False
    if block.kind == "item" and (not _numbered(text, block) or any(_numbered(text, other) for other in beside)):
        return False
    plain = line.rstrip(" *_)")
    return plain[-1:].isalnum() or (block.kind == "sentence" and plain.endswith("?"))


def _numbered(text: str, block: Block | None) -> bool:
    """Whether a block is an item that begins with a number."""
    if block is None or block.kind != "item":
        return False
    return _NUMBERED.match(text, text.rfind("\n", 0, block.start) + 1) is not None


def _cut(text: str) -> Iterator[Block]:
    """Yield headings, items, rows, and runs of prose lines, each with its span without outer whitespace."""
    open_kind: Kind | None = None
    begin = end = 0
    for start, stop in lines_of(text):
        line = text[start:stop]
        kind = _kind(line)
        if kind == "item" and _heads_section(line, _below(text, stop), opens=open_kind is None):
            kind = "heading"
        joins = kind == "sentence" and open_kind in ("sentence", "item")
        if joins and not _broken_off(text[begin:end], line):
            end = stop
            continue
        if open_kind is not None:
            yield Block(open_kind, *trim(text, begin, end))
            open_kind = None
        if kind is None:
            continue
        open_kind, begin, end = kind, start + _mark(line, kind), stop
    if open_kind is not None:
        yield Block(open_kind, *trim(text, begin, end))


def _mark(line: str, kind: Kind) -> int:
    """Return how many characters of a line only say that it is an item or a heading."""
    if kind not in ("item", "heading"):
        return 0
    marker = _ITEM.match(line)
    return marker.end() if marker else len(line) - len(line.lstrip("# \t"))


def _below(text: str, stop: int) -> list[str]:
    """Return the lines right below one that stops there, up to a blank one."""
    blank = text.find("\n\n", stop)
    return text[stop : blank if blank >= 0 else len(text)].splitlines()[1:]


def _heads_section(line: str, below: Sequence[str], *, opens: bool) -> bool:
    """Whether a numbered line is the heading of the text right below it: in capitals, or broken off after a blank line.

    An item that goes on in the next line goes on in lower case or breaks off later, and the next number follows it.
    """
    plain = line[_mark(line, "item") :].rstrip()
    number = _NUMBERED.match(line)
    if (
        not number
        or not plain[-1:].isalnum()
        or len(line) > LONGEST_TITLE
        or not below
        or _kind(below[0]) != "sentence"
    ):
        return False
    if plain.isupper() and sum(map(str.isalpha, plain)) >= LEAST_CAPITALS:
        return True
    following = re.compile(rf"\s*\(?{int(number[1]) + 1}[.)]\s")
    broken_off = 2 * len(plain) < len(below[0]) and below[0].lstrip()[:1].isupper()
    return opens and broken_off and not any(map(following.match, below))


def _broken_off(above: str, line: str) -> bool:
    """Whether a line is a title above the next, not its beginning: a full line would have held more words."""
    return (
        "\n" not in above
        and len(line) >= LEAST_BELOW
        and 2 * len(above) < len(line)
        and above[-1:].isalnum()
        and line.lstrip()[:1].isupper()
    )


def _kind(line: str) -> Kind | None:
    if not line.strip() or _COMMENT.match(line) or RULE.match(line):
        return None
    if _HEADING.match(line):
        return "heading"
    if line.lstrip().startswith("|") or line.count("\t") >= 1:
        return "row"
    return "item" if _ITEM.match(line) else "sentence"


def lines_of(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each line stands, without its end."""
    position = 0
    for line in text.splitlines(keepends=True):
        yield position, position + len(line.rstrip("\r\n"))
        position += len(line)


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without the white space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
