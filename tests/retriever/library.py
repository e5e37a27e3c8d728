"""A store filled through SQL alone, the way ingestion commits: rows, embeddings and changes in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from core.db.changes import append_changes, last_seq, touch_access
from core.db.generations import GenerationSpec, ensure_live_generation
from core.db.models import (
    ChunkRow,
    Collection,
    Document,
    DocumentAccess,
    DocumentVersion,
    EmbeddingRow,
)
from core.db.session import Database
from models.encoder import Encoder


@dataclass
class Library:
    """Adds documents made of given passages; a passage is a chunk."""

    database: Database
    encoder: Encoder

    def add(
        self,
        name: str,
        passages: Sequence[str],
        *,
        allow: Sequence[str] = (),
        collection: str = "default",
        vectors: NDArray[np.float32] | None = None,
        language: str | None = "en",
        near_duplicate_of: str | None = None,
        duplicate_of: str | None = None,
        effective_from: datetime | None = None,
        expires_at: datetime | None = None,
        attributes: dict[str, str] | None = None,
    ) -> str:
        """Commit a document and return its id, which is its name."""
        if vectors is None:
            vectors = self.encoder.encode(list(passages), "document")
        text = "\n".join(passages)
        with self.database.write() as session:
            spec = GenerationSpec(self.encoder.name, self.encoder.revision, self.encoder.dimension, "{}")
            generation = ensure_live_generation(session, spec)
            place = session.scalar(select(Collection).where(Collection.name == collection))
            if place is None:
                place = Collection(name=collection)
                session.add(place)
                session.flush()
            document = Document(
                id=name,
                collection_id=place.id,
                source=f"{name}.md",
                title=name.title(),
                own_access=True,
                attributes=attributes or {},
                near_duplicate_of=self._key(session, near_duplicate_of),
                duplicate_of=self._key(session, duplicate_of),
            )
            session.add(document)
            session.flush()
            session.add_all(DocumentAccess(document_key=document.key, principal=who) for who in allow)
            digest = sha256(text.encode()).hexdigest()
            version = DocumentVersion(
                document_key=document.key,
                version=1,
                blob_sha256=digest,
                text_sha256=digest,
                text=text,
                characters=len(text),
                media_type="text/markdown",
                parser="test",
                language=language,
                effective_from=effective_from,
                expires_at=expires_at,
            )
            session.add(version)
            session.flush()
            start, chunks = 0, []
            for ordinal, passage in enumerate(passages):
                chunks.append(
                    ChunkRow(
                        generation_id=generation.id,
                        version_key=version.key,
                        document_key=document.key,
                        ordinal=ordinal,
                        start=start,
                        end=start + len(passage),
                        heading="",
                        text=passage,
                    )
                )
                start += len(passage) + 1
            session.add_all(chunks)
            session.flush()
            for chunk, vector in zip(chunks, vectors, strict=True):
                session.add(EmbeddingRow(chunk_id=chunk.id, vector=vector.astype("<f4").tobytes()))
            if duplicate_of is None:
                append_changes(session, "add", [chunk.id for chunk in chunks], generation.id)
            touch_access(session)
        return name

    def delete(self, name: str, *, log: bool = True) -> None:
        """Tombstone a document; without `log` the indexes are not told, as in the moment before they follow."""
        with self.database.write() as session:
            document = session.scalars(select(Document).where(Document.id == name)).one()
            document.state = "deleted"
            chunks = session.scalars(select(ChunkRow).where(ChunkRow.document_key == document.key)).all()
            if log and chunks:
                append_changes(session, "remove", [chunk.id for chunk in chunks], chunks[0].generation_id)
            touch_access(session)

    def set_access(self, name: str, allow: Sequence[str]) -> None:
        """Replace a document's access list."""
        with self.database.write() as session:
            document = session.scalars(select(Document).where(Document.id == name)).one()
            for row in session.scalars(select(DocumentAccess).where(DocumentAccess.document_key == document.key)):
                session.delete(row)
            session.add_all(DocumentAccess(document_key=document.key, principal=who) for who in allow)
            touch_access(session)

    def chunk_ids(self, name: str) -> list[int]:
        """Return the chunk ids of a document in order."""
        with self.database.read() as session:
            return list(
                session.scalars(
                    select(ChunkRow.id)
                    .join(Document, Document.key == ChunkRow.document_key)
                    .where(Document.id == name)
                    .order_by(ChunkRow.ordinal)
                )
            )

    def last_seq(self) -> int:
        """Return the end of the log."""
        with self.database.read() as session:
            return last_seq(session)

    def _key(self, session, name: str | None) -> int | None:
        return None if name is None else session.scalar(select(Document.key).where(Document.id == name))
