"""A parsed document → passages, with the vectors that the store already holds for the same text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from core.db.generations import GenerationSpec, live_generation, require_match
from core.db.models import ChunkRow, Collection, Document, DocumentVersion, EmbeddingRow
from core.db.session import Database
from core.settings import Settings
from ingest.chunk import chunk, chunker_spec
from ingest.cutting import Cut, Cutting
from ingest.known import Known
from ingest.parsed import ParsedDocument
from ingest.prepared import Prepared
from ingest.tokens import TokenCounter
from ingest.walk import Source

if TYPE_CHECKING:
    from models.encoder import Encoder


class Preparer:
    """Chunks documents for one collection; loads the encoder with the first one."""

    def __init__(
        self, database: Database, collection: str, settings: Settings, provide: Callable[[], Encoder], known: Known
    ) -> None:
        self._database, self._collection, self._settings = database, collection, settings
        self._provide, self.known = provide, known
        self._encoder: Encoder | None = None
        self._spec: GenerationSpec | None = None
        self._tokens = TokenCounter(lambda text: [])

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded the first time; refused where the store was built with another.

        Raises:
            IndexMismatch: the live generation has another embedder or chunker.
        """
        if self._encoder is None:
            encoder = self._provide()
            chunker = chunker_spec(self._settings.ingest)
            self._spec = GenerationSpec(encoder.name, encoder.revision, encoder.dimension, chunker)
            with self._database.read() as session:
                live = live_generation(session)
                if live is not None:
                    require_match(live, self._spec)
            self._encoder, self._tokens = encoder, TokenCounter(encoder.token_spans)
        return self._encoder

    @property
    def spec(self) -> GenerationSpec:
        """The generation that the prepared documents belong to."""
        _ = self.encoder
        assert self._spec is not None
        return self._spec

    @property
    def cutting(self) -> Cutting | None:
        """How parsers cut, `None` where they cannot."""
        return Cutting.of(self.encoder, self._settings.ingest)

    def prepare(self, source: Source, document: ParsedDocument, blob_sha256: str, cut: Cut | None = None) -> Prepared:
        """Take a document's passages, or cut it here, and find the vectors that need no computing."""
        encoder = self.encoder
        limits = self._settings.ingest
        chunks = cut.chunks if cut else chunk(document, limits, self._tokens, encoder.max_tokens)
        vectors = np.zeros((len(chunks), encoder.dimension), dtype=np.float32)
        prepared = Prepared(source, document, blob_sha256, chunks, vectors, missing=[])
        found = self._stored_vectors(source.source, prepared.text_sha256)
        for number, draft in enumerate(chunks):
            stored = found.get(draft.embedded) if found else None
            if stored is None:
                prepared.missing.append(number)
            else:
                vectors[number] = np.frombuffer(stored, dtype="<f4")
        return prepared

    def _stored_vectors(self, source: str, text_hash: str) -> dict[str, bytes]:
        """Return embedded text → vector of the source's newest version and of one document with the same text."""
        if not self.known.holds(source) and not self.known.holds_text(text_hash):
            return {}
        rows = (
            select(ChunkRow.heading, ChunkRow.text, EmbeddingRow.vector)
            .join(EmbeddingRow, EmbeddingRow.chunk_id == ChunkRow.id)
            .join(DocumentVersion, DocumentVersion.key == ChunkRow.version_key)
            .join(Document, Document.key == DocumentVersion.document_key)
            .join(Collection, Collection.id == Document.collection_id)
            .where(Collection.name == self._collection, DocumentVersion.version == Document.version)
            .where((Document.source == source) | (DocumentVersion.text_sha256 == text_hash))
        )
        with self._database.read() as session:
            live = live_generation(session)
            if live is None:
                return {}
            stored = session.execute(rows.where(ChunkRow.generation_id == live.id))
            return {f"{heading}\n{text}" if heading else text: vector for heading, text, vector in stored}
