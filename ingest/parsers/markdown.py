"""Markdown, read line by line: headings, lists, tables, code and front matter.

That is YAML between `---` lines, or TOML between `+++` lines.
"""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Iterator
from html.entities import html5
from typing import Any

from core.tags import without_tags
from ingest.parsed import Block, RawDocument
from ingest.parsers.text import decode

_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_NAMED = re.compile(r"\s*(?:\*\*|__)?[^\W\d_][^.!?:]{0,40}:(?:\*\*|__)?\s+\S")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d{1,4}[.)])\s+")
_LETTERED = re.compile(r"^\s{2,}\(?[a-z][.)]\s+\S")
"""An item below another that Markdown does not know, and people write: `a) when it rains`."""
_NESTED = 2
"""Spaces by which an item stands further in than the one it lies in."""
_ROW = re.compile(r"^\s*\|.*\|\s*$")
_RULE = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?$")
_SETEXT = re.compile(r"^ {0,3}(=+|-+)\s*$")
_SPAN = r"(?<![`\\])(?P<ticks>`{1,8})(?!`)(?P<code>(?:(?!\n[ \t\r]*\n)[\s\S])+?)(?<!`)(?P=ticks)(?!`)"
_CODE = re.compile(_SPAN)
_FENCED = r"^ {0,3}(?P<fence>`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:^ {0,3}(?P=fence)[`~]*[ \t\r]*$|\Z)"
_CODE_OR_COMMENT = re.compile(rf"(?P<kept>{_FENCED}|{_SPAN})|<!--[\s\S]*?-->", re.MULTILINE)
_HELD = re.compile(r"\x00(\d+)\x00")
"""Stands for a code span while the text around it is read; a document holds no such character."""
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_LINK = re.compile(r"(?<!\\)\[((?:[^\[\]]|\[[^\]]*\])+)\]\((?:[^()\s]|\([^)]*\))*(?:\s+\"[^\"]*\")?\)")
_REFERENCE = re.compile(r"\[([^\]]+)\]\[[^\]]*\]")
_DEFINITION = re.compile(
    r"^ {0,3}\[(?!\^)[^\]]+\]:\s+(?:<[^>]*>|(?=\S*?(?:[/#@:]\S|\.\w))\S+)(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^)]*\)))?\s*$"
)
"""Where a link leads that is named elsewhere; what names no place (`[Note]: Ask first.`) is text."""
_FOOTNOTE = re.compile(r"^ {0,3}\[\^[^\]]+\]:\s")
_STRONG = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_EMPHASIS = re.compile(
    r"(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=[^\s*])\*(?![\w*])|(?<![\w_])_(?=[^\s_])([^_\n]+?)(?<=[^\s_])_(?![\w_])"
)
_MARKS = re.compile(r"[\[\]*_<`\\&]")
_CHARACTER = re.compile(
    r"\\(?P<escaped>[\\`*_{}\[\]()#+\-.!|<>~&])|&(?:#(?:\d{1,7}|[xX][\da-fA-F]{1,6})|(?P<name>[A-Za-z][A-Za-z\d]{1,31}));",
    re.ASCII,
)
"""A character that is written as an escape or as a reference (`\\*`, `&amp;`, `&#38;`)."""
_BAR = re.compile(r"\\\||&(?:vert|verbar|VerticalLine|#0{0,4}124|#[xX]0{0,4}7[cC]);")

_FRONT = re.compile(
    r"---\r?\n(?P<yaml>[\s\S]*?)^(?:---|\.\.\.)[ \t\r]*$|\+\+\+\r?\n(?P<toml>[\s\S]*?)^\+\+\+[ \t\r]*$", re.MULTILINE
)
_UNSAID = {"title", "layout", "template", "permalink", "slug", "url", "aliases", "weight", "type", "id", "position"}
"""Fields that only say how a page is printed and where; like the others they can be filtered by."""


def parse_markdown(content: bytes) -> RawDocument:
    """Read Markdown bytes."""
    text = decode(content)
    metadata, text = split_front_matter(text)
    said = "\n".join(_said(metadata))
    blocks = [*([Block("text", said)] if said else []), *read_markdown(text)]
    title = metadata.get("title")
    return RawDocument(blocks, "text/markdown", "markdown", title=str(title) if title else None, metadata=metadata)


def read_markdown(text: str) -> list[Block]:
    """Return the blocks of a Markdown text."""
    end = text.rfind("-->") + 1  # what begins behind the last end never ends: looking for that takes quadratic time
    if end and "<!--" in text:
        text = _CODE_OR_COMMENT.sub(lambda found: found["kept"] or "", text[: end + 2]) + text[end + 2 :]
    return _Reader().read(text)


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Return the mapping at the head of a text and the rest; an unreadable head stays in the text."""
    found = _FRONT.match(text)
    if found is None:
        return {}, text
    import yaml

    try:
        values = tomllib.loads(found["toml"]) if found["yaml"] is None else yaml.safe_load(found["yaml"])
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}, text
    if not isinstance(values, dict):
        return {}, text
    return {str(key): _plain(value) for key, value in values.items()}, text[found.end() :]


def _said(metadata: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each field that says something in words or numbers; the title is told apart from the text."""
    for name, value in metadata.items():
        values = [one for one in (value if isinstance(value, list) else [value]) if not isinstance(one, bool)]
        words = ", ".join(" ".join(str(one).split()) for one in values if isinstance(one, str | int | float))
        if words and name not in _UNSAID:
            yield f"{name.replace('_', ' ')}: {words}"


def _plain(value: Any) -> Any:
    """Return a YAML value as JSON knows it."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def inline(text: str) -> str:
    """Return the words of inline Markdown: link texts without addresses, no emphasis marks or tags, code as it is."""
    if not _MARKS.search(text):  # most lines, at a tenth of the cost
        return text
    if "`" not in text:
        return _plain_inline(text)
    spans: list[str] = []

    def hold(found: re.Match[str]) -> str:
        spans.append(found["code"].strip(" ") or found["code"])
        return f"\x00{len(spans) - 1}\x00"

    text = _plain_inline(_CODE.sub(hold, text.replace("\x00", "")).replace("`", ""))
    return _HELD.sub(lambda found: spans[int(found[1])], text)


def _plain_inline(text: str) -> str:
    """Return the words of inline Markdown without code."""
    # A pattern is tried only where what it cannot do without is there: most lines hold one kind of mark.
    if "](" in text:
        text = _IMAGE.sub(r"\1", text)
        text, links = _LINK.subn(r"\1", text)
        if links:  # a linked image leaves a link behind
            text = _LINK.sub(r"\1", text)
    if "][" in text:
        text = _REFERENCE.sub(r"\1", text)
    if "<" in text:
        text = without_tags(text)
    if "**" in text or "__" in text:
        text = _STRONG.sub(r"\2", text)
    if "*" in text or "_" in text:
        text = _EMPHASIS.sub(lambda found: found[1] or found[2], text)
    # Last, so that what they stand for is text: `&lt;b&gt;` is no tag.
    return _CHARACTER.sub(_character, text) if "\\" in text or "&" in text else text


def _character(found: re.Match[str]) -> str:
    """Return the character that an escape or a reference stands for; a name that is none stays as it is written."""
    if found["escaped"] or (found["name"] and f"{found['name']};" not in html5):
        return found["escaped"] or found[0]
    value = html.unescape(found[0])
    return " " if value.isspace() else value  # a line end that is written so ends no line


def _printed_lines(lines: list[str]) -> list[str]:
    """Return the lines of a paragraph as they are printed: broken where it says so, and where each names its value."""
    named = all(_NAMED.match(line) for line in lines)
    found: list[str] = []
    broken = True
    for line in lines:
        text = line.strip()
        ends = line.endswith(("  ", "\\"))
        text = text.removesuffix("\\").rstrip() if ends else text
        if broken:
            found.append(text)
        else:
            found[-1] += f" {text}"
        broken = ends or named
    return found


def _framed(row: str) -> str:
    """Return a row with its outer bars."""
    return ("" if row.startswith("|") else "| ") + row + ("" if row.endswith("|") else " |")


class _Reader:
    """Collects blocks from lines."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._pending: list[str] = []
        self._kind: Any = "text"
        self._around: list[int] = []
        """How far in the items stand that the next one may lie in."""

    def read(self, text: str) -> list[Block]:
        """Return the blocks of a text."""
        lines = iter(text.splitlines())
        for line in lines:
            fence = _FENCE.match(line)
            if fence:
                self._code(lines, fence.group(1))
            else:
                self._line(line)
        self._flush()
        return self.blocks

    def _code(self, lines: Any, fence: str) -> None:
        self._flush()
        body = []
        for line in lines:
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                break
            body.append(line)
        self.blocks.append(Block("code", "\n".join(body)))

    def _line(self, line: str) -> None:
        heading = _HEADING.match(line)
        if heading:
            self._heading(heading.group(2), len(heading.group(1)))
        elif not line.strip():
            self._flush()
        elif _SETEXT.match(line) and self._pending and self._kind == "text":
            text, self._pending = " ".join(self._pending), []
            self._heading(text, 1 if line.strip().startswith("=") else 2)
        elif "|" in line and _RULE.match(line.strip()):
            self._rule(line)
        elif _ROW.match(line) or ("|" in line and self._pending and self._kind == "table"):
            self._start("table", line)
        elif _ITEM.match(line) or (self._around and _LETTERED.match(line)):
            self._flush()
            self._item(line)
        elif not _DEFINITION.match(line):
            if _FOOTNOTE.match(line):
                self._flush()
            in_item = self._pending and self._kind == "list"
            if not in_item and not line[0].isspace():
                self._around.clear()
            self._start("list" if in_item else "text", line)

    def _item(self, line: str) -> None:
        stands = len(line.expandtabs(4)) - len(line.lstrip())
        while self._around and stands < self._around[-1] + _NESTED:
            self._around.pop()
        self._start("list", line)
        self._around.append(stands)

    def _rule(self, line: str) -> None:
        """Take the rule of a table, which makes its head of the line above."""
        if self._pending and self._kind == "text" and "|" in self._pending[-1]:
            self._start("table", self._pending.pop())
        self._start("table", line)

    def _heading(self, text: str, level: int) -> None:
        self._flush()
        self._around.clear()
        self.blocks.append(Block("heading", inline(text), level=level))

    def _start(self, kind: Any, line: str) -> None:
        if self._pending and kind != self._kind:
            self._flush()
        self._kind = kind
        self._pending.append(line)

    def _flush(self) -> None:
        if self._pending:
            if self._kind == "table":
                # A bar that is written as an escape or a reference parts no cells.
                text = "\n".join(_framed(inline(_BAR.sub("/", line)).strip()) for line in self._pending)
            else:
                text = "\n".join(map(inline, _printed_lines(self._pending)))
            level = len(self._around) - 1 if self._kind == "list" else 0
            self.blocks.append(Block(self._kind, text, level=level))
        self._pending, self._kind = [], "text"
