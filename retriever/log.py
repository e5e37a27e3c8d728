"""Reading the change log and the passages it names, in pieces that every database takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.models import Change, ChunkRow, Document, DocumentVersion, EmbeddingRow
from retriever.vectors import Vectors

BATCH = 512
"""Chunks read from SQL at once; stays under every database's limit of variables."""


def final_ops(session: Session, generation: int, after: int, until: int) -> dict[int, str]:
    """Return what became of each chunk named in the log after one seq and up to another."""
    entries = session.execute(
        select(Change.chunk_id, Change.op)
        .where(
            Change.seq > after,
            Change.seq <= until,
            Change.generation_id == generation,
            Change.op.in_(("add", "remove")),
        )
        .order_by(Change.seq)
    )
    return {chunk_id: op for chunk_id, op in entries if chunk_id is not None}


def indexed_rows(session: Session, ids: Sequence[int]) -> Sequence[Any]:
    """Return what indexes keep of chunks; one that has been purged since its entry was written is not among them."""
    return session.execute(
        select(
            ChunkRow.id,
            ChunkRow.version_key,
            ChunkRow.heading,
            ChunkRow.text,
            DocumentVersion.language,
            Document.title,
            Document.source,
            EmbeddingRow.vector,
        )
        .join(DocumentVersion, DocumentVersion.key == ChunkRow.version_key)
        .join(Document, Document.key == ChunkRow.document_key)
        .join(EmbeddingRow, EmbeddingRow.chunk_id == ChunkRow.id)
        .where(ChunkRow.id.in_(ids))
        .order_by(ChunkRow.id)
    ).all()


def stored_vectors(session: Session, ids: Sequence[int]) -> dict[int, bytes]:
    """Return the vectors of chunks by id; those that are gone are missing."""
    found: dict[int, bytes] = {}
    for part in slices(ids):
        query = select(EmbeddingRow.chunk_id, EmbeddingRow.vector).where(EmbeddingRow.chunk_id.in_(part))
        found.update(session.execute(query).tuples().all())
    return found


def as_matrix(vectors: Sequence[bytes], dimension: int) -> Vectors:
    """Return stored vectors as a matrix, one a row."""
    return np.frombuffer(b"".join(vectors), dtype="<f4").reshape(-1, dimension)


def slices(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the ids in pieces of `BATCH`."""
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
