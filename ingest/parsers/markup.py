"""AsciiDoc, reStructuredText and Org: headings, tables and paragraphs by their line marks."""

from __future__ import annotations

import re

from ingest.parsed import Block, RawDocument
from ingest.parsers.tables import markdown_table
from ingest.parsers.text import decode

_PREFIXED = re.compile(r"^(={1,6}|\*{1,6})\s+(\S.*)$")
_UNDERLINE = re.compile(r"^([=\-~^\"'`#*+.:])\1{2,}\s*$")
_DIRECTIVE = re.compile(r"^(?:\.\. |:[\w-]+:|#\+\w+|\[[^\]]*\]$|----+$|====+$|\|===)")
_ITEM = re.compile(r"^\s*(?:[-*+.]{1,5}|\d{1,3}[.)])\s+\S")
_LINK = re.compile(r"(?:link:|https?://)[^\s\[]*\[([^\]]+)\]")


def parse_markup(content: bytes, suffix: str) -> RawDocument:
    """Read light markup; `suffix` says which: `.rst`, `.org`, or AsciiDoc."""
    reader = _Reader({".rst": "", ".org": "*"}.get(suffix, "="))
    for line in decode(content).splitlines():
        reader.line(line)
    reader.end()
    return RawDocument(reader.blocks, "text/plain", f"markup{suffix}")


class _Reader:
    """Gathers blocks from lines; `mark` begins a heading, and where there is none headings are underlined."""

    def __init__(self, mark: str) -> None:
        self.blocks: list[Block] = []
        self._mark = mark
        self._pending: list[str] = []
        self._rows: list[list[str]] = []
        self._levels: list[str] = []

    def line(self, line: str) -> None:
        """Take the next line."""
        prefixed = _PREFIXED.match(line) if self._mark else None
        if prefixed and prefixed[1][0] == self._mark:
            self.end()
            self.blocks.append(Block("heading", prefixed[2], level=len(prefixed[1])))
        elif not self._mark and _UNDERLINE.match(line):
            self._underlined(line)
        elif self._mark == "=" and line.strip().startswith("|") and "===" not in line:
            self._rows.append([cell.strip() for cell in line.strip().lstrip("|").split("|")])
        elif not line.strip():
            self.end()
        elif not _DIRECTIVE.match(line):
            self._pending.append(_LINK.sub(r"\1", line.strip()))

    def end(self) -> None:
        """End the block being gathered."""
        if self._rows:
            self.blocks.append(Block("table", markdown_table(self._rows)))
            self._rows = []
        if self._pending:
            kind = "list" if _ITEM.match(self._pending[0]) else "text"
            self.blocks.append(Block("list" if kind == "list" else "text", "\n".join(self._pending)))
            self._pending = []

    def _underlined(self, line: str) -> None:
        if not self._pending or len(line.rstrip()) < len(self._pending[-1]) - 2:
            return  # an overline or a rule
        title = self._pending.pop()
        self.end()
        if line[0] not in self._levels:
            self._levels.append(line[0])
        self.blocks.append(Block("heading", title, level=self._levels.index(line[0]) + 1))
