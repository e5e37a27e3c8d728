"""Cutting a stored version anew: its structure is read again from the original, its text must come out the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from core.blobs import NO_BLOB, BlobStore
from core.db.models import DocumentVersion
from core.errors import Conflict, IngestError
from core.settings import Settings
from ingest.chunk import ChunkDraft, chunk, chunker_spec
from ingest.parsed import ParsedDocument, Span
from ingest.parser_process import ParseJob
from ingest.prepared import text_sha256
from ingest.sandbox import ParserPool
from ingest.tokens import TokenCounter

if TYPE_CHECKING:
    from models.encoder import Encoder


PARAGRAPH = re.compile(r"\S[^\n]*(?:\n[^\n]+)*")


def sizes_of(chunker: str) -> dict[str, int]:
    """Return the settings of ingestion that a generation's chunker was made with."""
    spec = json.loads(chunker)
    names = {"chunk_tokens": "tokens", "chunk_overlap_tokens": "overlap"}
    return {name: spec[key] for name, key in names.items() if key in spec}


def settings_of(chunker: str, settings: Settings) -> Settings:
    """Return settings under which a version is cut as a generation's chunker does.

    Raises:
        Conflict: the chunker is another version than ours.
    """
    sized = settings.model_copy(update={"ingest": settings.ingest.model_copy(update=sizes_of(chunker))})
    if chunker_spec(sized.ingest) != chunker:
        raise Conflict(
            f"the generation was cut by another version of the chunker ({chunker}): documents cannot be added to it. "
            "Run: attest reindex"
        )
    return sized


class Rechunker:
    """Cuts versions by the settings it is given; `close` stops its parser."""

    def __init__(self, settings: Settings, encoder: Encoder, blobs: BlobStore) -> None:
        self._settings, self._encoder, self._blobs = settings, encoder, blobs
        self._tokens = TokenCounter(encoder.token_spans)
        self._pool: ParserPool | None = None

    def cut(self, version: DocumentVersion) -> list[ChunkDraft]:
        """Return the passages of a version.

        Where the original no longer gives the stored text (another parser, a document that came as text), the text
        itself is cut along its paragraphs, so that offsets always fit what is stored.
        """
        document = self._parsed(version)
        if document is None or text_sha256(document.text) != version.text_sha256:
            document = self._plain(version)
        return chunk(document, self._settings.ingest, self._tokens, self._encoder.max_tokens)

    def close(self) -> None:
        """Stop the parser."""
        if self._pool is not None:
            self._pool.close()

    def _parsed(self, version: DocumentVersion) -> ParsedDocument | None:
        if version.blob_sha256 == NO_BLOB or not self._blobs.exists(version.blob_sha256):
            return None
        if self._pool is None:
            self._pool = ParserPool(self._settings.ingest, 1)
        job = ParseJob(self._blobs.path(version.blob_sha256), Path(version.document.source).name)
        try:
            return self._pool.submit(job).result().document
        except IngestError:
            return None

    def _plain(self, version: DocumentVersion) -> ParsedDocument:
        spans = [
            Span("text", 0, match.start(), match.end(), _page(version, match.start()))
            for match in PARAGRAPH.finditer(version.text)
        ]
        return ParsedDocument(version.text, spans, version.document.title, version.media_type, version.parser)


def _page(version: DocumentVersion, at: int) -> int | None:
    return next((number for number, start, end in version.pages if start <= at < end), None)
