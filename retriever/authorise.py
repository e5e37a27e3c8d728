"""The last gate: every hit is authorised again in SQL, and what is shown of it is fetched in the same breath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Text, bindparam, func, select
from sqlalchemy.orm import Session, aliased

from core.db.access import Presentation, presentations
from core.db.models import ChunkRow, Document, DocumentVersion
from core.db.prepared import Prepared
from core.types import Chunk, Evidence, Filters, Principal, ScoredChunk, Scores
from retriever.selection import Joined

CHUNK_COLUMNS = (
    ChunkRow.id,
    ChunkRow.version_key,
    ChunkRow.generation_id,
    ChunkRow.ordinal,
    ChunkRow.start,
    ChunkRow.end,
    ChunkRow.page,
    ChunkRow.heading,
    ChunkRow.text,
)
CHUNKS = Prepared(
    select(*CHUNK_COLUMNS, Document.key, Document.near_duplicate_of)
    .join(Document, Document.key == ChunkRow.document_key)
    .where(ChunkRow.id.in_(bindparam("keys", expanding=True)))
)

_OWN = aliased(ChunkRow)
NEXT = Prepared(
    select(ChunkRow.heading)
    .join(_OWN, (_OWN.version_key == ChunkRow.version_key) & (_OWN.generation_id == ChunkRow.generation_id))
    .where(_OWN.id == bindparam("chunk_id"), ChunkRow.start >= bindparam("end"))
    .order_by(ChunkRow.ordinal)
    .limit(1)
)
"""What stands above the passage behind one of a version."""
SLICES = Prepared(
    select(func.substr(DocumentVersion.text, bindparam("first"), bindparam("length"), type_=Text()).label("slice"))
    .join(Document, Document.key == DocumentVersion.document_key)
    .where(Document.id == bindparam("document_id"), DocumentVersion.version == bindparam("version"))
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk the principal may read, as part of the document it is shown as."""

    chunk: Chunk
    shown_as: Presentation
    also_in: tuple[str, ...]
    folds_into: int
    """A key that documents which nearly repeat one another share."""

    def scored(self, scores: Scores) -> ScoredChunk:
        """Return the passage as a hit with its scores."""
        return ScoredChunk(
            chunk=self.chunk,
            title=self.shown_as.title,
            source=self.shown_as.source,
            collection=self.shown_as.collection,
            score=scores.fused or 0.0,
            scores=scores,
            updated_at=self.shown_as.created_at,
            effective_from=self.shown_as.effective_from,
            also_in=self.also_in,
        )


def authorised_passages(
    session: Session, chunk_ids: Sequence[int], principal: Principal, filters: Filters
) -> dict[int, Passage]:
    """Return the passages among `chunk_ids` that the principal may retrieve, by chunk id.

    Where the indexed document itself may not be shown but an exact duplicate of it may, the passage is shown as
    the duplicate's, under the id it has in the index.
    """
    found = CHUNKS.rows(session, chunk_ids) if chunk_ids else []
    shown = presentations(session, principal, {row.version_key for row in found}, filters)
    passages = {}
    for row in found:
        names = shown.get(row.version_key)
        if not names:
            continue
        first, others = names[0], names[1:]
        own = row if first.version_key == row.version_key else _same_chunk(session, row, first.version_key)
        if own is not None:
            also_in = tuple(other.source for other in others)
            passages[row.id] = Passage(_chunk(row.id, own, first), first, also_in, row.near_duplicate_of or row.key)
    return passages


def with_neighbours(session: Session, passage: Joined) -> ScoredChunk:
    """Return a passage with its neighbours as one slice of their version, which the principal may read."""
    chunk = passage.best.chunk
    length = passage.end - passage.start
    place = {"document_id": chunk.document_id, "version": chunk.version, "first": passage.start + 1, "length": length}
    found = SLICES.rows(session, **place)
    if not found or not found[0].slice:  # purged since it was authorised
        return passage.best
    text = found[0].slice
    slice_ = replace(chunk, start=passage.start, end=passage.end, ordinal=passage.ordinals.start, text=text)
    return replace(passage.best, chunk=slice_)


def tables_that_go_on(session: Session, evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return evidence, marked where its last table goes on: the passage behind stands under the head of that table."""
    return tuple(
        replace(item, goes_on=True) if _ends_in_a_row(item.hit.chunk) and _goes_on(session, item.hit.chunk) else item
        for item in evidence
    )


def _ends_in_a_row(chunk: Chunk) -> bool:
    return chunk.text.rstrip().rpartition("\n")[2].lstrip().startswith("|")


def _goes_on(session: Session, chunk: Chunk) -> bool:
    behind = NEXT.rows(session, chunk_id=chunk.id, end=chunk.end)
    return bool(behind) and any(line.lstrip().startswith("|") for line in behind[0].heading.splitlines())


def _same_chunk(session: Session, row: Any, version_key: int) -> Any | None:
    """Return the chunk at the same place of another version with the same text."""
    return session.execute(
        select(*CHUNK_COLUMNS).where(
            ChunkRow.version_key == version_key,
            ChunkRow.ordinal == row.ordinal,
            ChunkRow.generation_id == row.generation_id,
        )
    ).first()


def _chunk(chunk_id: int, row: Any, shown: Presentation) -> Chunk:
    return Chunk(
        id=chunk_id,
        document_id=shown.document_id,
        version=shown.version,
        ordinal=row.ordinal,
        start=row.start,
        end=row.end,
        page=row.page,
        heading=row.heading,
        text=row.text,
    )
