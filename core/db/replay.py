"""What replaying the change log must give, told from the rows themselves."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from core.db.changes import append_changes
from core.db.models import Change, ChunkRow, Document, DocumentVersion, EmbeddingRow

ROWS_AT_ONCE = 1000


def listed_chunks(session: Session, generation_id: int, until: int) -> Iterator[int]:
    """Yield the passages of a generation that the log up to an entry puts into the index."""
    newest = select(func.max(Change.seq)).where(Change.generation_id == generation_id, Change.seq <= until)
    newest = newest.where(Change.chunk_id.is_not(None)).group_by(Change.chunk_id)
    for chunk_id in session.scalars(select(Change.chunk_id).where(Change.seq.in_(newest), Change.op == "add")):
        if chunk_id is not None:
            yield chunk_id


def vectors_of(session: Session, generation_id: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield (passage, version, vector) of a generation, in the order of their ids."""
    query = (
        select(ChunkRow.id, ChunkRow.version_key, EmbeddingRow.vector)
        .join(EmbeddingRow, EmbeddingRow.chunk_id == ChunkRow.id)
        .where(ChunkRow.generation_id == generation_id)
        .order_by(ChunkRow.id)
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    for row in session.execute(query):
        yield row._t


def log_gaps(session: Session) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return (chunk, generation) that should be in the index and are not by the log, and the other way round.

    Passages of replaced versions may be in the index (a search as of an earlier day ranks them) or not.
    """
    newest = select(func.max(Change.seq)).where(Change.chunk_id.is_not(None)).group_by(Change.chunk_id)
    last = select(Change.chunk_id, Change.op, Change.generation_id).where(Change.seq.in_(newest)).subquery()
    current = DocumentVersion.version == Document.version
    wanted = _live_passages().where(Document.duplicate_of.is_(None), current)
    unwanted_twin = _live_passages().where(Document.duplicate_of.is_not(None), current)
    missing = (
        select(ChunkRow.id, ChunkRow.generation_id)
        .outerjoin(last, last.c.chunk_id == ChunkRow.id)
        .where(ChunkRow.id.in_(wanted), or_(last.c.op.is_(None), last.c.op != "add"))
    )
    undead = select(last.c.chunk_id, last.c.generation_id).where(
        last.c.op == "add", or_(last.c.chunk_id.not_in(_live_passages()), last.c.chunk_id.in_(unwanted_twin))
    )
    return [row._t for row in session.execute(missing)], [row._t for row in session.execute(undead)]


def complete_log(session: Session) -> None:
    """Append what the log lacks, in the caller's transaction."""
    for op, rows in zip(("add", "remove"), log_gaps(session), strict=True):
        by_generation: dict[int, list[int]] = {}
        for chunk_id, generation_id in rows:
            by_generation.setdefault(generation_id, []).append(chunk_id)
        for generation_id, chunk_ids in by_generation.items():
            append_changes(session, op, chunk_ids, generation_id)


def _live_passages() -> Select[int]:
    return (
        select(ChunkRow.id)
        .join(Document, Document.key == ChunkRow.document_key)
        .join(DocumentVersion, DocumentVersion.key == ChunkRow.version_key)
        .where(Document.state == "live")
    )
