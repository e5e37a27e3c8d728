"""A prepared statement gives what the session gives, for every number of keys and every type."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import bindparam, delete, insert, select, text
from sqlalchemy.exc import DBAPIError

from core.clock import now
from core.db.models import Change, Collection, Document, DocumentVersion
from core.db.prepared import Prepared
from core.db.prepared_writes import PreparedWrite
from core.db.session import Database
from core.settings import Settings
from tests.operations.seeding import Seed, plant

STATEMENT = (
    select(DocumentVersion.key, Document.id, Document.key, DocumentVersion.created_at, Document.attributes)
    .join(Document, Document.key == DocumentVersion.document_key)
    .where(DocumentVersion.key.in_(bindparam("keys", expanding=True)))
    .where(DocumentVersion.created_at <= bindparam("moment", type_=DocumentVersion.created_at.type))
    .where(Document.state.in_(["live", "quarantined"]), Document.attributes["region"].as_string() == "north")
    .order_by(DocumentVersion.key)
)


@pytest.fixture
def filled(database: Database, settings: Settings) -> Database:
    for number in range(9):
        plant(database, settings, Seed(f"d{number}", f"text {number}"))
    with database.write() as session:
        for document in session.scalars(select(Document)):
            document.attributes = {"region": "south" if document.id == "d4" else "north"}
    return database


@pytest.mark.parametrize("keys", [[1], [2, 1], [1, 2, 3], list(range(1, 10)), [*range(1, 40)]])
def test_it_gives_the_rows_of_the_session(filled: Database, keys: list[int]) -> None:
    prepared, moment = Prepared(STATEMENT), now()
    with filled.read() as session:
        wanted = [tuple(row) for row in session.execute(STATEMENT, {"keys": keys, "moment": moment})]
        for _ in range(2):
            assert [tuple(row) for row in prepared.rows(session, keys, moment=moment)] == wanted
    assert {row[0] for row in wanted} == set(keys) & {1, 2, 3, 4, 6, 7, 8, 9}


def test_values_given_later_count(filled: Database) -> None:
    prepared = Prepared(STATEMENT)
    with filled.read() as session:
        assert len(prepared.rows(session, [1, 2], moment=now())) == 2
        assert prepared.rows(session, [1, 2], moment=now() - timedelta(days=1)) == []
        assert [row.id for row in prepared.rows(session, [2, 3], moment=now())] == ["d1", "d2"]


def test_an_error_of_the_driver_is_told_as_any_other(filled: Database) -> None:
    with filled.write() as session:
        session.execute(text("ALTER TABLE documents RENAME COLUMN attributes TO other"))
    with pytest.raises(DBAPIError), filled.read() as session:
        Prepared(STATEMENT).rows(session, [1], moment=now())


def test_a_row_is_written_as_the_session_writes_it(database: Database) -> None:
    table, moment = Document.__table__, now()
    given = {"collection_id": 1, "source": "é.md", "attributes": {"n": [1, None]}, "updated_at": moment}
    with database.write() as session:
        session.add(Collection(id=1, name="default"))
        session.flush()
        one = PreparedWrite(insert(table).returning(table.c.key)).returned(session, {**given, "id": "a", "title": "A"})
        session.execute(insert(table), {**given, "id": "b", "source": "b.md", "title": "A"})
    with database.read() as session:
        rows = session.scalars(select(Document).order_by(Document.key)).all()
        assert [row.key for row in rows] == [one, one + 1]
        for name in ("attributes", "updated_at", "state", "version", "own_access", "duplicate_of", "parent_key"):
            assert getattr(rows[0], name) == getattr(rows[1], name), name
        assert rows[0].updated_at == moment
        assert abs(rows[0].created_at - rows[1].created_at) < timedelta(minutes=1)


def test_many_rows_are_written_and_deleted_by_value(filled: Database) -> None:
    changes = Change.__table__
    with filled.write() as session:
        before = len(session.scalars(select(Change)).all())
        PreparedWrite(insert(changes)).run(session, [{"op": "add", "chunk_id": number} for number in range(900, 903)])
        PreparedWrite(delete(changes).where(Change.chunk_id == bindparam("gone"))).run(session, [{"gone": 901}])
        assert len(session.scalars(select(Change)).all()) == before + 2
    with pytest.raises(DBAPIError), filled.write() as session:
        PreparedWrite(insert(Document.__table__)).run(
            session, [{"id": "d1", "collection_id": 1, "source": "", "title": ""}]
        )


def test_a_column_without_a_value_and_a_default_is_refused(database: Database) -> None:
    with pytest.raises(KeyError, match="title"), database.write() as session:
        PreparedWrite(insert(Document.__table__)).run(session, [{"id": "d1", "collection_id": 1, "source": ""}])
