"""The passages a summary is made from: those that say most of what the documents say, permitted ones only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.extract import spread
from app.runtime import Runtime
from core.db.access import retrievable_versions
from core.db.generations import live_generation
from core.db.models import ChunkRow, EmbeddingRow
from core.errors import InvalidInput, NotFound
from core.types import Evidence, Filters, Principal, ScoredChunk, Scores

MOST_CHUNKS = 20_000
"""Chunks weighed for one summary: 30 MB of vectors; beyond it the first of each document stand for the rest."""
READ_CHUNKS = 32
"""Passages read closely: about 6,000 tokens, two windows of a small model."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What to summarise, on behalf of whom: one document, or a collection."""

    principal: Principal
    document_id: str | None = None
    collection: str | None = None

    def __post_init__(self) -> None:
        if (self.document_id is None) == (self.collection is None):
            raise InvalidInput("name either a document or a collection")

    @property
    def filters(self) -> Filters:
        """The filters that find exactly its documents."""
        ids = None if self.document_id is None else (self.document_id,)
        return Filters(collection=self.collection, document_ids=ids)

    @property
    def name(self) -> str:
        """How the record names it."""
        return f"document {self.document_id}" if self.document_id is not None else f"collection {self.collection}"


def subject_evidence(runtime: Runtime, subject: Subject) -> tuple[Evidence, ...]:
    """Return the passages to summarise, in the order of their documents, under markers from 1.

    Raises:
        NotFound: the principal may read nothing of it.
    """
    from retriever.authorise import authorised_passages

    with runtime.database.read() as session:
        ids, vectors, leads = _chunks(session, subject)
        if not ids:
            raise NotFound(f"no {subject.name}, or nothing of it is indexed")
        chosen = [ids[row] for row in spread(vectors, leads, READ_CHUNKS)]
        passages = authorised_passages(session, chosen, subject.principal, subject.filters)
    hits = [passages[chunk_id].scored(Scores()) for chunk_id in chosen if chunk_id in passages]
    hits.sort(key=_place)
    return tuple(Evidence(marker, hit) for marker, hit in enumerate(hits, start=1))


def _chunks(session: Session, subject: Subject) -> tuple[list[int], NDArray[np.float32], list[bool]]:
    """Return the ids of the permitted chunks, their vectors, and which of them open a document."""
    live = live_generation(session)
    if live is None:
        return [], np.empty((0, 0), np.float32), []
    rows = session.execute(
        select(ChunkRow.id, ChunkRow.ordinal, EmbeddingRow.vector)
        .join(EmbeddingRow, EmbeddingRow.chunk_id == ChunkRow.id)
        .where(ChunkRow.generation_id == live.id)
        .where(ChunkRow.version_key.in_(retrievable_versions(subject.principal, subject.filters)))
        .order_by(ChunkRow.ordinal, ChunkRow.id)
        .limit(MOST_CHUNKS)
    ).all()
    if not rows:
        return [], np.empty((0, 0), np.float32), []
    vectors = np.frombuffer(b"".join(row.vector for row in rows), dtype="<f4").reshape(len(rows), -1)
    return [row.id for row in rows], vectors, [row.ordinal == 0 for row in rows]


def _place(hit: ScoredChunk) -> tuple[str, str, int]:
    return hit.collection, hit.source, hit.chunk.start
