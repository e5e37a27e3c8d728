"""What a parser hands over: blocks in reading order, and the document they become.

A parser returns a `RawDocument`; cleaning turns it into a `ParsedDocument`, whose spans and layout are
character offsets into its one cleaned text. Both cross a process border as JSON.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["heading", "text", "list", "table", "code"]
Rectangle: TypeAlias = tuple[float, float, float, float]


@dataclass(slots=True)
class Line:
    """One printed line with its rectangle on the page (PDF points, origin at the top left)."""

    text: str
    box: Rectangle | None = None


@dataclass(slots=True)
class Block:
    """One heading, paragraph, list item, table or code block of a document, in reading order."""

    kind: Kind
    text: str = ""
    level: int = 0
    """1 is the outermost heading; of a list item, how many it lies in; 0 for all else."""
    page: int | None = None
    lines: list[Line] = field(default_factory=list)
    """Where known, the printed lines; they replace `text`."""


@dataclass(slots=True)
class Attachment:
    """A file found inside another, spooled for a parse of its own."""

    name: str
    path: str


@dataclass(slots=True)
class RawDocument:
    """What a parser read, before cleaning."""

    blocks: list[Block]
    media_type: str
    parser: str
    title: str | None = None
    pages: int = 0
    """How many pages, slides or sheets the file has; 0 where it has none."""
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    ocr_pages: dict[int, float] = field(default_factory=dict)
    """Pages read by OCR and the engine's mean confidence in [0, 1]."""
    counts: dict[str, Any] = field(default_factory=dict)
    """Findings for the quality report, e.g. hidden runs of text."""


@dataclass(slots=True)
class Span:
    """A block of the cleaned text."""

    kind: Kind
    level: int
    start: int
    end: int
    page: int | None


@dataclass(slots=True)
class ParsedDocument:
    """A file's cleaned text and its structure."""

    text: str
    spans: list[Span]
    title: str
    media_type: str
    parser: str
    pages: list[tuple[int, int, int]] = field(default_factory=list)
    """(page number, start, end) in characters of `text`."""
    layout: list[tuple[int, int, int, float, float, float, float]] = field(default_factory=list)
    """(start, end, page, x0, y0, x1, y1), one a printed line."""
    language: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    """Curation counts, OCR pages with confidence, quality findings."""
    attachments: list[Attachment] = field(default_factory=list)
    children: list[ParsedDocument] = field(default_factory=list)
    """Parsed attachments; filled by `parse_file`, not by the sandbox."""

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        # Shallow where it is large: a copy of every line's box doubles the memory of a long document.
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["spans"] = [(span.kind, span.level, span.start, span.end, span.page) for span in self.spans]
        values["attachments"] = [asdict(attachment) for attachment in self.attachments]
        values["children"] = [child.to_json() for child in self.children]
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ParsedDocument:
        """Read the wire form back, checking what an untrusted process wrote.

        Raises:
            ValueError: offsets lie outside the text or fields are missing.
        """
        try:
            document = cls(**values)
            document.spans = [Span(kind, int(at), int(s), int(e), n) for kind, at, s, e, n in values["spans"]]
            document.pages = [(int(n), int(start), int(end)) for n, start, end in values["pages"]]
            document.layout = [(int(s), int(e), int(p), *map(float, box)) for s, e, p, *box in values["layout"]]  # type: ignore[misc]
            document.attachments = [Attachment(**item) for item in values["attachments"]]
            document.children = []
            f"{document.text}{document.title}".encode()  # half a character could not be stored
            if passed_over := dict(values["report"]).get("left_out"):
                document.report["left_out"] = [(str(name), str(reason)) for name, reason in passed_over]
        except (TypeError, KeyError) as error:
            raise ValueError(f"malformed reply of a parser: {error}") from error
        size = len(document.text)
        if any(not 0 <= span.start <= span.end <= size for span in document.spans):
            raise ValueError("a parser's reply points outside its text")
        return document
