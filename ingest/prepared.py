"""A document on its way from the parser to the store."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.chunk import ChunkDraft
from ingest.parsed import ParsedDocument
from ingest.terms import Terms
from ingest.walk import Source


@dataclass(slots=True)
class Prepared:
    """A parsed, cleaned and chunked document; `vectors` is filled by the embedding stage, shape (chunks, dimension)."""

    source: Source
    document: ParsedDocument
    blob_sha256: str
    chunks: list[ChunkDraft]
    vectors: NDArray[np.float32]
    missing: list[int]
    """Numbers of the chunks whose vectors are still to be computed."""
    children: list[str] = field(default_factory=list)
    """Sources of what was found inside this one, whether it got in or not."""
    quarantine: str | None = None
    """Why the document has to wait for a release."""
    terms: Terms = field(default_factory=Terms)
    sketch: str = ""
    """Its MinHash signature; empty where it has none."""
    near_duplicate_of: int | None = None
    """Key of the document whose text this one nearly repeats."""
    attributes: dict[str, Any] = field(default_factory=dict)
    text_sha256: str = field(init=False)
    """The hash of the cleaned text, which tells exact duplicates."""

    def __post_init__(self) -> None:
        self.text_sha256 = text_sha256(self.document.text)


def text_sha256(text: str) -> str:
    """Return the hash of a cleaned text."""
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()
