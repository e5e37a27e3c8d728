"""What a store must hold after any run, and what it holds."""

from __future__ import annotations

from sqlalchemy import func, select

from core.blobs import BlobStore
from core.db.models import Change, ChunkRow, Document, DocumentVersion, EmbeddingRow
from core.db.session import Database
from core.settings import Settings


def check_whole(database: Database, settings: Settings) -> None:
    """Every live document has its version, blob, chunks that are slices of the text, a vector each, and log entries."""
    blobs = BlobStore(settings.blobs)
    with database.read() as session:
        query = select(Document, DocumentVersion).join(DocumentVersion, DocumentVersion.document_key == Document.key)
        logged = set(session.scalars(select(Change.chunk_id).where(Change.op == "add")))
        for document, version in session.execute(query.where(DocumentVersion.version == Document.version)):
            assert blobs.verify(version.blob_sha256), document.source
            chunks = session.scalars(select(ChunkRow).where(ChunkRow.version_key == version.key)).all()
            assert chunks, document.source
            for chunk in chunks:
                assert chunk.text == version.text[chunk.start : chunk.end]
                assert len(session.get_one(EmbeddingRow, chunk.id).vector) == 384 * 4
            indexed = {chunk.id for chunk in chunks} <= logged
            assert indexed == (document.duplicate_of is None and document.state == "live")
        chunks_with_version = session.scalar(select(func.count()).select_from(ChunkRow))
        assert chunks_with_version == session.scalar(select(func.count()).select_from(EmbeddingRow))


def sources(database: Database, state: str = "live") -> list[str]:
    """Return the file names of the documents in a state."""
    with database.read() as session:
        found = session.scalars(select(Document.source).where(Document.state == state).order_by(Document.source))
        return [source.rpartition("/")[2] for source in found]


def document(database: Database, name: str) -> Document:
    """Return the document whose source ends in a name."""
    with database.read() as session:
        return session.scalars(select(Document).where(Document.source.endswith(name))).one()
