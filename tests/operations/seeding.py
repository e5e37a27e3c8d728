"""Documents put straight into the store with made-up vectors, where parsing and embedding are not the subject."""

from __future__ import annotations

import hashlib
import random
import struct
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from core.blobs import BlobStore
from core.db.changes import append_changes, touch_access
from core.db.generations import GenerationSpec, ensure_live_generation
from core.db.grants import ensure_collection
from core.db.models import ChunkRow, Document, DocumentAccess, DocumentVersion, EmbeddingRow
from core.db.session import Database
from core.settings import Settings

DIMENSION = 8
SPEC = GenerationSpec("seed", "1", DIMENSION, '{"seed": 1}')


@dataclass
class Seed:
    """What to put in; every paragraph becomes a chunk."""

    id: str
    text: str
    collection: str = "default"
    allow: tuple[str, ...] | None = None
    source: str = ""
    duplicate_of: str | None = None
    supersedes: str | None = None
    effective_from: datetime | None = None
    expires_at: datetime | None = None
    superseded_at: datetime | None = None
    spec: GenerationSpec = field(default=SPEC)


def vector_of(text: str, dimension: int = DIMENSION) -> bytes:
    """A unit vector that depends on the text alone."""
    draw = random.Random(text)
    values = [draw.gauss(0, 1) for _ in range(dimension)]
    length = sum(value * value for value in values) ** 0.5
    return struct.pack(f"<{dimension}f", *(value / length for value in values))


def plant(database: Database, settings: Settings, seed: Seed) -> str:
    """Commit one document with one version and return its id."""
    blob = BlobStore(settings.blobs).put(seed.text.encode())
    with database.write() as session:
        generation = ensure_live_generation(session, seed.spec)
        collection = ensure_collection(session, seed.collection)
        document = Document(
            id=seed.id,
            collection_id=collection.id,
            source=seed.source or f"/docs/{seed.id}.txt",
            title=seed.id,
            own_access=seed.allow is not None,
            duplicate_of=_key(session, seed.duplicate_of),
            supersedes=_key(session, seed.supersedes),
        )
        session.add(document)
        session.flush()
        session.add_all(DocumentAccess(document_key=document.key, principal=name) for name in seed.allow or ())
        version = DocumentVersion(
            document_key=document.key,
            version=1,
            blob_sha256=blob,
            text_sha256=hashlib.sha256(seed.text.encode()).hexdigest(),
            text=seed.text,
            characters=len(seed.text),
            media_type="text/plain",
            parser="plain",
            effective_from=seed.effective_from,
            expires_at=seed.expires_at,
            superseded_at=seed.superseded_at,
        )
        session.add(version)
        session.flush()
        ids, start = [], 0
        for ordinal, paragraph in enumerate(seed.text.split("\n\n")):
            chunk = ChunkRow(
                generation_id=generation.id,
                version_key=version.key,
                document_key=document.key,
                ordinal=ordinal,
                start=start,
                end=start + len(paragraph),
                page=None,
                text=paragraph,
            )
            session.add(chunk)
            session.flush()
            session.add(EmbeddingRow(chunk_id=chunk.id, vector=vector_of(paragraph, seed.spec.dimension)))
            ids.append(chunk.id)
            start += len(paragraph) + 2
        if seed.duplicate_of is None:
            append_changes(session, "add", ids, generation.id)
        touch_access(session)
    return seed.id


def _key(session, document_id: str | None) -> int | None:
    return None if document_id is None else session.scalar(select(Document.key).where(Document.id == document_id))
