"""Notes and comments of Word documents: each stands behind the paragraph or table that refers to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.parsed import Block

REFERENCES = {"footnoteReference": "footnotes", "endnoteReference": "endnotes", "commentReference": "comments"}
"""What in a text refers to a note, and the part that holds those notes."""


@dataclass(slots=True)
class Notes:
    """The notes that nothing has referred to yet, and those to be put behind what is being read."""

    _held: dict[tuple[str, str], list[Block]] = field(default_factory=dict)
    _due: list[Block] = field(default_factory=list)

    def hold(self, part: str, number: str, blocks: list[Block]) -> None:
        """Keep a part's note of a number until it is referred to."""
        self._held.setdefault((part, number), []).extend(blocks)

    def refer(self, part: str, number: str) -> None:
        """Make a note due."""
        self._due += self._held.pop((part, number), [])

    def due(self) -> list[Block]:
        """Return the notes that are due, once."""
        due, self._due = self._due, []
        return due

    def rest(self) -> list[Block]:
        """Return the notes that nothing refers to."""
        return [*self.due(), *(block for blocks in self._held.values() for block in blocks)]
