"""SQL tables. Every durable fact of the product is a row here; indexes and caches only follow."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.clock import now
from core.db.base import Base

LIVE = text("state = 'live'")


class Collection(Base):
    """A named set of documents with an access list its documents inherit."""

    __tablename__ = "collections"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class CollectionAccess(Base):
    """A principal that may read the documents of a collection that have no list of their own."""

    __tablename__ = "collection_access"
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True)
    principal: Mapped[str] = mapped_column(String(200), primary_key=True)


class Membership(Base):
    """A user's membership of a group."""

    __tablename__ = "memberships"
    user: Mapped[str] = mapped_column(String(200), primary_key=True)
    group: Mapped[str] = mapped_column(String(200), primary_key=True)


class Document(Base):
    """One source of knowledge; its text lives in its versions.

    `state`: `live`, `deleted` (tombstone), `quarantined` (waits for release).
    `duplicate_of`: the document of the same collection with the same cleaned text, whose chunks stand for
    this one in the index. A duplicate keeps chunks and embeddings of its own that no index holds, so that it
    can take over the moment the other goes.
    """

    __tablename__ = "documents"
    __table_args__ = (UniqueConstraint("collection_id", "source"),)
    key: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(String(40), unique=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    source: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20), default="live")
    version: Mapped[int] = mapped_column(default=1)
    """The number of the newest version."""
    duplicate_of: Mapped[int | None] = mapped_column(ForeignKey("documents.key"), index=True)
    near_duplicate_of: Mapped[int | None] = mapped_column(ForeignKey("documents.key"), index=True)
    """The document it nearly repeats; both are indexed, and a search folds them into one hit."""
    supersedes: Mapped[int | None] = mapped_column(ForeignKey("documents.key"), index=True)
    parent_key: Mapped[int | None] = mapped_column(ForeignKey("documents.key"), index=True)
    """The mail or archive this document came out of."""
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    own_access: Mapped[bool] = mapped_column(default=False)
    """Whether its own list (possibly empty) replaces the collection's."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    collection: Mapped[Collection] = relationship(lazy="joined", innerjoin=True)


class DocumentAccess(Base):
    """A principal on a document's own access list."""

    __tablename__ = "document_access"
    document_key: Mapped[int] = mapped_column(ForeignKey("documents.key", ondelete="CASCADE"), primary_key=True)
    principal: Mapped[str] = mapped_column(String(200), primary_key=True)


class DocumentVersion(Base):
    """The cleaned text of a document at one time, in force during [effective_from, expires_at or superseded_at)."""

    __tablename__ = "document_versions"
    __table_args__ = (UniqueConstraint("document_key", "version"),)
    key: Mapped[int] = mapped_column(primary_key=True)
    document_key: Mapped[int] = mapped_column(ForeignKey("documents.key", ondelete="CASCADE"))
    version: Mapped[int]
    blob_sha256: Mapped[str] = mapped_column(String(64), index=True)
    text_sha256: Mapped[str] = mapped_column(String(64), index=True)
    text: Mapped[str] = mapped_column(Text)
    characters: Mapped[int]
    pages: Mapped[list[Any]] = mapped_column(default=list)
    """[[page number, start, end], …] in characters of `text`; empty for formats without pages."""
    layout: Mapped[bytes | None] = mapped_column(LargeBinary)
    """zlib-compressed JSON [[start, end, page, x0, y0, x1, y1], …], one row a line, PDF points, top-left origin."""
    media_type: Mapped[str] = mapped_column(String(120))
    parser: Mapped[str] = mapped_column(String(60))
    language: Mapped[str | None] = mapped_column(String(12))
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Warnings, OCR confidence and curation counts of this version."""
    effective_from: Mapped[datetime | None] = mapped_column(index=True)
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    superseded_at: Mapped[datetime | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    document: Mapped[Document] = relationship()


class Generation(Base):
    """One embedder and chunker; chunks of different generations never meet in an index.

    `state`: `building`, `live` (exactly one), `retired` (kept for rollback).
    """

    __tablename__ = "generations"
    __table_args__ = (Index("uq_generations_live", "state", unique=True, sqlite_where=LIVE, postgresql_where=LIVE),)
    id: Mapped[int] = mapped_column(primary_key=True)
    embedder: Mapped[str] = mapped_column(Text)
    revision: Mapped[str] = mapped_column(String(80))
    dimension: Mapped[int]
    chunker: Mapped[str] = mapped_column(Text)
    """Canonical JSON of the chunker's settings."""
    state: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(default=now)


class ChunkRow(Base):
    """A passage of a version in one generation; its id is the id in every index and is never used again."""

    __tablename__ = "chunks"
    __table_args__ = (
        Index("ix_chunks_version", "version_key"),
        Index("ix_chunks_generation", "generation_id"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    generation_id: Mapped[int] = mapped_column(ForeignKey("generations.id"))
    version_key: Mapped[int] = mapped_column(ForeignKey("document_versions.key", ondelete="CASCADE"))
    document_key: Mapped[int] = mapped_column(ForeignKey("documents.key", ondelete="CASCADE"), index=True)
    ordinal: Mapped[int]
    start: Mapped[int]
    end: Mapped[int]
    page: Mapped[int | None]
    heading: Mapped[str] = mapped_column(Text, default="")
    """Title and headings above the passage, embedded and searched with it."""
    text: Mapped[str] = mapped_column(Text)


class EmbeddingRow(Base):
    """A chunk's vector: `dimension` little-endian float32, unit length."""

    __tablename__ = "embeddings"
    chunk_id: Mapped[int] = mapped_column(ForeignKey("chunks.id", ondelete="CASCADE"), primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class Change(Base):
    """One entry of the log that indexes follow.

    `op`: `add` or `remove` of a chunk, `access` (permissions, states or versions changed: cached permitted
    sets are stale), or `reset` (after a purge or a restore: an index built before this entry, its snapshots and
    working files included, gives way to a new one). `seq` grows in commit order.
    """

    __tablename__ = "changes"
    __table_args__ = ({"sqlite_autoincrement": True},)
    seq: Mapped[int] = mapped_column(primary_key=True)
    generation_id: Mapped[int | None] = mapped_column(index=True)
    op: Mapped[str] = mapped_column(String(10), index=True)
    chunk_id: Mapped[int | None]


class IngestRun(Base):
    """One run of ingestion and its report."""

    __tablename__ = "ingest_runs"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    """`running`, `done`, `failed`, `interrupted`."""
    principal: Mapped[str] = mapped_column(String(200))
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)
    started_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]


class IngestFailure(Base):
    """A source that did not get in, and why; gone once it does."""

    __tablename__ = "ingest_failures"
    __table_args__ = (UniqueConstraint("collection_id", "source"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("ingest_runs.id"), index=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    source: Mapped[str] = mapped_column(Text)
    error: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(20))
    """`permanent` or `transient`."""
    message: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(default=1)
    at: Mapped[datetime] = mapped_column(default=now)
    allow: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    """Who was to read it; null where no attempt named anybody."""
    effective_from: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    supersedes: Mapped[str | None] = mapped_column(Text)
    """Source or id of the document it was to replace."""


class ApiKey(Base):
    """A key that names a principal; only its prefix and hash are stored."""

    __tablename__ = "api_keys"
    prefix: Mapped[str] = mapped_column(String(16), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    principal: Mapped[str] = mapped_column(String(200))
    operator: Mapped[bool] = mapped_column(default=False)
    name: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    revoked_at: Mapped[datetime | None]


class Purge(Base):
    """A document that was asked to be purged; kept, without its name, so that no restored backup brings it back."""

    __tablename__ = "purges"
    document_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    requested_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]
    """When nothing of it was left in any store; an interrupted purge is finished by `attest doctor --repair`."""


class Conversation(Base):
    """A series of turns that belongs to one principal."""

    __tablename__ = "conversations"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    principal: Mapped[str] = mapped_column(String(200), index=True)
    title: Mapped[str] = mapped_column(Text)
    collection: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class Turn(Base):
    """One question of a conversation and its answer."""

    __tablename__ = "turns"
    __table_args__ = (UniqueConstraint("conversation_id", "ordinal"),)
    answer_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    ordinal: Mapped[int]
    question: Mapped[str] = mapped_column(Text)
    query: Mapped[str] = mapped_column(Text)
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Feedback(Base):
    """What a reader thought of an answer."""

    __tablename__ = "feedback"
    id: Mapped[int] = mapped_column(primary_key=True)
    answer_id: Mapped[str] = mapped_column(String(40), index=True)
    principal: Mapped[str] = mapped_column(String(200))
    rating: Mapped[int]
    """1 or -1."""
    comment: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(default=now)


class AuditRow(Base):
    """An append-only, hash-chained record of one answer; `sha256` covers `previous` and `record`.

    Text taken from documents belongs in `content`, which no hash covers (`record` holds its sha256), so that a
    purge can clear it and the chain still verifies; what was asked belongs in `question`, for the same reason.
    """

    __tablename__ = "audit"
    __table_args__ = ({"sqlite_autoincrement": True},)
    seq: Mapped[int] = mapped_column(primary_key=True)
    answer_id: Mapped[str] = mapped_column(String(40), unique=True)
    record: Mapped[dict[str, Any]]
    content: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    question: Mapped[str | None] = mapped_column(Text)
    """`None` once forgotten, and in a record of an earlier version, which holds the question itself."""
    previous: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)
