"""A store of the first schema, filled as the first program filled it, opens with this one and loses nothing."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, insert, inspect, text

from app.backup import backup, restore
from app.doctor import examine
from bench.victim import WordEncoder
from core.clock import now
from core.db.schema import HEAD, migrate, schema_revision
from core.db.session import Database
from core.errors import Conflict
from core.settings import Settings, load_settings
from core.types import OPERATOR, Principal, Query
from ingest.chunk import chunker_spec
from ingest.documents import document_text, list_documents
from ingest.report import IngestOptions, TextRecord
from ingest.run import ingest_texts
from retriever.retriever import Retriever

FIRST = "0001"
ENCODER = WordEncoder(16)
TEXTS = {"leave": "Leave is twenty days a year.", "travel": "Travel is booked by the portal.", "pay": "Pay is monthly."}


@pytest.fixture
def first(settings: Settings) -> Database:
    """A store as the first schema holds it; its tables are read from the database, not from today's models."""
    settings.home.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url, settings.storage.busy_timeout_s)
    migrate(database.engine, FIRST)
    tables = MetaData()
    tables.reflect(database.engine)
    with database.engine.begin() as connection:

        def put(table: str, **values: Any) -> None:
            connection.execute(insert(tables.tables[table]), values)

        moment = now()
        put("collections", id=1, name="default", created_at=moment)
        put(
            "generations",
            id=1,
            embedder=ENCODER.name,
            revision=ENCODER.revision,
            dimension=ENCODER.dimension,
            chunker=chunker_spec(settings.ingest),
            state="live",
            created_at=moment,
        )
        for key, (name, words) in enumerate(TEXTS.items(), 1):
            put(
                "documents",
                key=key,
                id=name,
                collection_id=1,
                source=f"/{name}",
                title=name,
                state="live",
                version=1,
                attributes={},
                own_access=True,
                created_at=moment,
                updated_at=moment,
            )
            put("document_access", document_key=key, principal="user:ana" if name == "pay" else "public")
            put(
                "document_versions",
                key=key,
                document_key=key,
                version=1,
                blob_sha256="",
                text_sha256=hashlib.sha256(words.encode()).hexdigest(),
                text=words,
                characters=len(words),
                pages=[],
                media_type="text/plain",
                parser="record",
                report={},
                created_at=moment,
            )
            at = {"generation_id": 1, "version_key": key, "document_key": key, "ordinal": 0}
            put("chunks", id=key, **at, start=0, end=len(words), heading="", text=words)
            vector = ENCODER.encode([words], "document")[0]
            put("embeddings", chunk_id=key, vector=struct.pack("<16f", *vector))
            put("changes", seq=key, generation_id=1, op="add", chunk_id=key)
        if database.dialect == "postgresql":  # ids were given: the counters must know
            for table, column in (("chunks", "id"), ("changes", "seq"), ("documents", "key"), ("collections", "id")):
                connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), 100)"))
            connection.execute(text("SELECT setval(pg_get_serial_sequence('document_versions', 'key'), 100)"))
    return database


def revision_of(database: Database) -> str | None:
    with database.engine.connect() as connection:
        return schema_revision(connection)


def found(database: Database, settings: Settings, query: str, principal: Principal) -> list[str]:
    retriever = Retriever.open(database, settings, ENCODER, follow=False)
    try:
        hits = retriever.retrieve(Query(query), principal, mode="lexical").hits
        return [hit.source for hit in hits if hit.scores.lexical]
    finally:
        retriever.close()


def test_a_store_of_the_first_schema_is_brought_up_to_date_whole(first: Database, settings: Settings) -> None:
    assert revision_of(first) == FIRST
    first.close()
    database = Database.open(settings)
    try:
        assert revision_of(database) == HEAD
        assert {row["id"] for row in list_documents(database, OPERATOR)} == set(TEXTS)
        for name, words in TEXTS.items():
            assert document_text(database, name, OPERATOR) == words
        assert found(database, settings, "travel portal", Principal("user:bob")) == ["/travel"]
        assert found(database, settings, "pay monthly", Principal("user:bob")) == []
        assert found(database, settings, "pay monthly", Principal("user:ana")) == ["/pay"]
        record = TextRecord("/leave", "Leave is thirty days a year.")
        report = ingest_texts([record], IngestOptions(), database=database, settings=settings, encoder=ENCODER)
        assert report.updated == 1
        assert found(database, settings, "leave thirty", OPERATOR) == ["/leave"]
        assert [one for one in examine(settings) if not one.ok and one.name != "embedder"] == []
    finally:
        database.close()


def test_a_backup_of_the_first_schema_is_restored_into_todays(
    first: Database, settings: Settings, tmp_path: Path
) -> None:
    backup(first, settings, tmp_path / "copy")
    first.close()
    fresh = load_settings(tmp_path / "elsewhere")
    restore(fresh, tmp_path / "copy")
    database = Database.open(fresh)
    try:
        assert revision_of(database) == HEAD
        assert {row["id"] for row in list_documents(database, OPERATOR)} == set(TEXTS)
        assert [one for one in examine(fresh) if not one.ok and one.name != "embedder"] == []
    finally:
        database.close()


def test_a_migration_that_dies_leaves_the_schema_it_found(
    first: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import command

    upgrade = command.upgrade

    def dying(*arguments: Any) -> None:
        upgrade(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "upgrade", dying)
    with pytest.raises(KeyboardInterrupt):
        migrate(first.engine)
    monkeypatch.undo()
    assert revision_of(first) == FIRST
    assert not any(one["name"].startswith("ix_document_versions_exp") for one in indexes(first))
    migrate(first.engine)
    assert revision_of(first) == HEAD
    first.close()


def indexes(database: Database) -> list[Any]:
    return inspect(database.engine).get_indexes("document_versions")


def test_a_newer_schema_is_refused(first: Database, settings: Settings) -> None:
    with first.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    first.close()
    with pytest.raises(Conflict, match="newer than this program"):
        Database.open(settings)
