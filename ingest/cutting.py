"""Passages cut and sketched where a file is parsed, so that one process does not do it for all; what both sides say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.chunk import ChunkDraft, chunk
from ingest.parsed import ParsedDocument
from ingest.sketch import sketch_of
from ingest.tokens import TokenCounter

if TYPE_CHECKING:
    from core.settings import IngestSettings
    from models.encoder import Encoder


@dataclass(frozen=True, slots=True)
class Cutting:
    """How a parser cuts: sizes in tokens, and the file of the tokeniser that counts them."""

    tokenizer: str
    max_tokens: int
    chunk_tokens: int
    chunk_overlap_tokens: int

    @classmethod
    def of(cls, encoder: Encoder, settings: IngestSettings) -> Cutting | None:
        """Return how to cut for an encoder, `None` where its tokens cannot be counted without it."""
        if encoder.tokenizer_file is None:
            return None
        file = str(encoder.tokenizer_file)
        return cls(file, encoder.max_tokens, settings.chunk_tokens, settings.chunk_overlap_tokens)


@dataclass(frozen=True, slots=True)
class Cut:
    """A document's passages and its sketch."""

    chunks: list[ChunkDraft]
    sketch: str


def cut(document: ParsedDocument, cutting: Cutting) -> dict[str, Any]:
    """Cut and sketch a document and return the wire form; headings are sent once."""
    headings: dict[str, int] = {}
    drafts = chunk(document, cutting, _counter(cutting.tokenizer), cutting.max_tokens)
    places = [(one.start, one.end, one.page, headings.setdefault(one.heading, len(headings))) for one in drafts]
    return {"places": places, "headings": list(headings), "sketch": sketch_of(document.text)}


def read_cut(values: dict[str, Any], document: ParsedDocument) -> Cut:
    """Read the wire form back, checking what an untrusted process wrote.

    Raises:
        ValueError: a passage lies outside the text, or the form is another.
    """
    headings, text, size = [str(heading) for heading in values["headings"]], document.text, len(document.text)
    places: Sequence[tuple[int, int, int | None, int]] = values["places"]
    if any(not 0 <= start < end <= size or not 0 <= heading < len(headings) for start, end, _, heading in places):
        raise ValueError("a parser's passages lie outside its text")
    drafts = [ChunkDraft(start, end, page, headings[at], text[start:end]) for start, end, page, at in places]
    return Cut(drafts, str(values["sketch"]))


@lru_cache(maxsize=1)
def _counter(tokenizer: str) -> TokenCounter:
    """Return this process's table of words."""
    return TokenCounter.of_file(Path(tokenizer))
