"""A new generation of passages and vectors, built beside the live one and switched to in one commit.

Building is resumable: each commit holds whole versions, and what is there already is not computed again. Documents
that come, change or go meanwhile are caught up with before the switch, which happens while nobody else writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, delete, exists, func, insert, select
from sqlalchemy.orm import Session, aliased

from core.blobs import BlobStore
from core.db.changes import append_changes, touch_access
from core.db.generations import GenerationSpec, live_generation
from core.db.models import ChunkRow, Document, DocumentVersion, EmbeddingRow, Generation
from core.db.replay import complete_log
from core.db.session import Database
from core.errors import Conflict, NotFound
from core.failpoints import failpoint
from core.settings import Settings
from ingest.chunk import ChunkDraft, chunker_spec
from ingest.rechunk import Rechunker, settings_of, sizes_of

if TYPE_CHECKING:
    from models.encoder import Encoder

VERSIONS_AT_ONCE = 32
"""Versions embedded and committed together: sorted by length they fill the encoder's batches."""

Report = Callable[[int, int], None]
"""Called with (versions done, versions in all)."""


def build(database: Database, settings: Settings, encoder: Encoder, report: Report | None = None) -> int:
    """Build, or go on building, the generation of an encoder and the chunker's settings; return its id.

    Raises:
        Conflict: the live generation is of this encoder and chunker already, or nothing was ingested yet.
    """
    spec = GenerationSpec(encoder.name, encoder.revision, encoder.dimension, chunker_spec(settings.ingest))
    live_id, generation_id = _open_generation(database, spec)
    catch_up(database, settings, encoder, live_id, generation_id, report)
    return generation_id


def catch_up(
    database: Database, settings: Settings, encoder: Encoder, source: int, target: int, report: Report | None = None
) -> None:
    """Give every version that has passages in one generation passages in another, cut as that one's are.

    Raises:
        Conflict: there is one to cut, and the other generation was cut by another version of the chunker.
    """
    with database.read() as session:
        total = session.scalar(select(func.count()).select_from(_missing(source, target).subquery())) or 0
        theirs, chunker = (session.get_one(Generation, key).chunker for key in (source, target))
    if not total:
        return
    anew = theirs != chunker or encoder.max_tokens < sizes_of(chunker).get("chunk_tokens", 0)
    rechunker = Rechunker(settings_of(chunker, settings), encoder, BlobStore(settings.blobs)) if anew else None
    done = 0
    try:
        while True:
            with database.read() as session:
                keys = session.scalars(_missing(source, target).limit(VERSIONS_AT_ONCE)).all()
                drafts = {key: _drafts(session, key, source, rechunker) for key in keys}
            if not keys:
                return
            _commit(database, encoder, target, drafts)
            done += len(keys)
            if report is not None:
                report(min(done, total), total)
    finally:
        if rechunker is not None:
            rechunker.close()


def switch(database: Database, settings: Settings, encoder: Encoder, generation_id: int) -> int:
    """Make a generation the live one, and the live one the one to roll back to; return that one's id.

    Raises:
        Conflict: documents keep coming faster than they can be embedded.
    """
    for _ in range(5):
        with database.read() as session:
            live = _live(session).id
        catch_up(database, settings, encoder, live, generation_id)
        with database.write() as session:
            old = _live(session)
            if session.scalar(_missing(old.id, generation_id).limit(1)) is not None:
                continue  # another writer was between; what it brought is few
            failpoint("reindex.before_switch")
            _drop(session, keep=(old.id, generation_id))
            old.state = "retired"
            session.flush()
            session.get_one(Generation, generation_id).state = "live"
            session.flush()
            complete_log(session)
            touch_access(session)
            former = old.id
        failpoint("reindex.after_switch")
        return former
    raise Conflict("documents keep coming in faster than they can be embedded: pause ingestion and try again")


def retired_generation(database: Database) -> Generation:
    """Return the generation that a rollback makes live again.

    Raises:
        NotFound: there is none.
    """
    with database.read() as session:
        query = select(Generation).where(Generation.state == "retired").order_by(Generation.id.desc()).limit(1)
        found = session.scalar(query)
    if found is None:
        raise NotFound("there is no earlier generation to roll back to")
    return found


def _live(session: Session) -> Generation:
    live = live_generation(session)
    if live is None:
        raise Conflict("nothing was ingested yet: set the embedder and ingest")
    return live


def _open_generation(database: Database, spec: GenerationSpec) -> tuple[int, int]:
    with database.write() as session:
        live = _live(session)
        if GenerationSpec(live.embedder, live.revision, live.dimension, live.chunker) == spec:
            raise Conflict(f"the live generation is of {spec.embedder} and this chunker already")
        columns = (Generation.embedder, Generation.revision, Generation.dimension, Generation.chunker)
        mine = [column == value for column, value in zip(columns, _values(spec), strict=True)]
        found = session.scalar(select(Generation).where(Generation.state != "live", *mine))
        if found is None:
            found = Generation(state="building", **dict(zip(_NAMES, _values(spec), strict=True)))
            session.add(found)
            session.flush()
        found.state = "building"
        return live.id, found.id


_NAMES = ("embedder", "revision", "dimension", "chunker")


def _values(spec: GenerationSpec) -> list[Any]:
    return [getattr(spec, name) for name in _NAMES]


def _missing(source: int, target: int) -> Select[int]:
    """Select the versions of documents not deleted that have passages in one generation and none in another."""
    there, here = aliased(ChunkRow), aliased(ChunkRow)
    return (
        select(DocumentVersion.key)
        .join(Document, Document.key == DocumentVersion.document_key)
        .where(Document.state != "deleted")
        .where(exists().where(here.version_key == DocumentVersion.key, here.generation_id == source))
        .where(~exists().where(there.version_key == DocumentVersion.key, there.generation_id == target))
        .order_by(DocumentVersion.key)
    )


def _drafts(session: Session, key: int, source: int, rechunker: Rechunker | None) -> list[ChunkDraft]:
    """Return a version's passages: cut anew, or those of the other generation."""
    if rechunker is not None:
        return rechunker.cut(session.get_one(DocumentVersion, key))
    rows = session.scalars(
        select(ChunkRow).where(ChunkRow.version_key == key, ChunkRow.generation_id == source).order_by(ChunkRow.ordinal)
    )
    return [ChunkDraft(row.start, row.end, row.page, row.heading, row.text) for row in rows]


def _commit(database: Database, encoder: Encoder, target: int, drafts: dict[int, list[ChunkDraft]]) -> None:
    every = [draft.embedded for passages in drafts.values() for draft in passages]
    vectors = iter(encoder.encode(every, "document").astype("<f4", copy=False))
    failpoint("reindex.before_commit")
    with database.write() as session:
        there = select(ChunkRow.version_key).where(ChunkRow.generation_id == target)
        taken = set(session.scalars(there.where(ChunkRow.version_key.in_(drafts))))  # by another run of this
        for key, passages in drafts.items():
            bytes_of = [next(vectors).tobytes() for _ in passages]
            document = session.scalar(select(DocumentVersion.document_key).where(DocumentVersion.key == key))
            if document is not None and key not in taken:  # not purged meanwhile
                _insert(session, target, (key, document), passages, bytes_of)


def _insert(
    session: Session, target: int, owner: tuple[int, int], passages: Sequence[ChunkDraft], vectors: Sequence[bytes]
) -> None:
    version, document = owner
    rows = [
        {
            "generation_id": target,
            "version_key": version,
            "document_key": document,
            "ordinal": ordinal,
            "start": draft.start,
            "end": draft.end,
            "page": draft.page,
            "heading": draft.heading,
            "text": draft.text,
        }
        for ordinal, draft in enumerate(passages)
    ]
    ids = list(session.scalars(insert(ChunkRow).returning(ChunkRow.id, sort_by_parameter_order=True), rows))
    values = [{"chunk_id": chunk_id, "vector": vector} for chunk_id, vector in zip(ids, vectors, strict=True)]
    session.execute(insert(EmbeddingRow), values)
    row = session.get_one(Document, document)
    if row.state == "live" and row.duplicate_of is None:
        append_changes(session, "add", ids, target)


def _drop(session: Session, keep: tuple[int, int]) -> None:
    """Drop the generations before the last: one rollback is kept, not a history."""
    for generation in session.scalars(select(Generation).where(Generation.id.not_in(keep))):
        ids = session.scalars(select(ChunkRow.id).where(ChunkRow.generation_id == generation.id)).all()
        append_changes(session, "remove", ids, generation.id)
        for part in _slices(ids):
            session.execute(delete(EmbeddingRow).where(EmbeddingRow.chunk_id.in_(part)))
        session.execute(delete(ChunkRow).where(ChunkRow.generation_id == generation.id))
        session.delete(generation)


def _slices(ids: Sequence[int], size: int = 500) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
