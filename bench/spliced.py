"""The passages of a store, and more of their kind: spliced out of two, to time a search over a store of any size."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, insert, select

from core.db.changes import append_changes
from core.db.models import ChunkRow, Document, DocumentVersion, EmbeddingRow, Generation
from core.db.session import Database

NOISE = 0.3
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Passages:
    """The texts, sources and vectors of every passage of a store, in the order of their ids."""

    texts: list[str]
    sources: list[str]
    vectors: Floats

    @classmethod
    def of(cls, database: Database) -> Passages:
        """Read a store."""
        with database.read() as session:
            rows = session.execute(
                select(ChunkRow.heading, ChunkRow.text, Document.source, EmbeddingRow.vector)
                .join(Document, Document.key == ChunkRow.document_key)
                .join(EmbeddingRow, EmbeddingRow.chunk_id == ChunkRow.id)
                .order_by(ChunkRow.id)
            ).all()
        texts = [f"{row.heading}\n{row.text}".strip() for row in rows]
        return cls(texts, [row.source for row in rows], np.stack([np.frombuffer(row.vector, "<f4") for row in rows]))

    def spliced(self, count: int, seed: int = 5) -> tuple[list[str], Floats]:
        """Return new passages, each the first half of one and the second half of another, with their vectors."""
        draw, noise = random.Random(seed), np.random.default_rng(seed)
        pairs = [draw.sample(range(len(self.texts)), 2) for _ in range(count)]
        texts = [" ".join([*self._half(one, 0), *self._half(other, 1)]) for one, other in pairs]
        vectors = self.vectors[[one for one, _ in pairs]] + self.vectors[[other for _, other in pairs]]
        vectors += NOISE * noise.standard_normal(vectors.shape, dtype=np.float32) / np.sqrt(vectors.shape[1])
        return texts, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f4")

    def _half(self, at: int, which: int) -> list[str]:
        words = self.texts[at].split()[:120]
        middle = len(words) // 2
        return words[middle:] if which else words[:middle]


def grow(database: Database, texts: Sequence[str], vectors: Floats) -> None:
    """Add passages with their vectors, a document each, as ingestion leaves them: only the search is timed."""
    with database.write() as session:
        generation = session.scalars(select(Generation.id).where(Generation.state == "live")).one()
        place = session.scalars(select(Document.collection_id).limit(1)).one()
        first = session.scalar(select(func.max(Document.key))) or 0
        keys = range(first + 1, first + 1 + len(texts))
        version = (session.scalar(select(func.max(DocumentVersion.key))) or 0) - first
        chunk = (session.scalar(select(func.max(ChunkRow.id))) or 0) - first
        documents = [
            {"key": key, "id": f"spliced-{key}", "collection_id": place, "source": f"spliced-{key}", "title": ""}
            for key in keys
        ]
        made = {"version": 1, "blob_sha256": "", "media_type": "text/plain", "parser": "none", "language": "en"}
        versions = [
            made
            | {"key": key + version, "document_key": key, "text": text, "characters": len(text)}
            | {"text_sha256": f"{key:064x}"}
            for key, text in zip(keys, texts, strict=True)
        ]
        chunks = [
            {"id": key + chunk, "generation_id": generation, "version_key": key + version, "document_key": key}
            | {"ordinal": 0, "start": 0, "end": len(text), "heading": "", "text": text}
            for key, text in zip(keys, texts, strict=True)
        ]
        session.execute(insert(Document), documents)
        session.execute(insert(DocumentVersion), versions)
        session.execute(insert(ChunkRow), chunks)
        rows = [{"chunk_id": key + chunk, "vector": row.tobytes()} for key, row in zip(keys, vectors, strict=True)]
        session.execute(insert(EmbeddingRow), rows)
        append_changes(session, "add", [row["chunk_id"] for row in rows], generation)
