"""The SQL store: snapshots for readers, turns for writers, errors with a name."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import select, text

from core.db.changes import last_seq, touch_access
from core.db.models import Base, Change, Collection
from core.db.schema import HEAD, MIGRATIONS, migrate, schema_revision
from core.db.session import Database
from core.errors import Busy, Conflict, StoreUnavailable
from core.settings import load_settings


def test_a_reader_keeps_one_snapshot(database: Database) -> None:
    with database.read() as reader:
        assert last_seq(reader) == 0
        with database.write() as writer:
            touch_access(writer)
        assert last_seq(reader) == 0
    with database.read() as reader:
        assert last_seq(reader) == 1


def test_an_error_in_the_block_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.write() as session:
            session.add(Collection(name="half"))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.read() as session:
        assert session.scalars(select(Collection)).all() == []


def test_a_second_writer_waits_then_says_busy(database: Database) -> None:
    hasty = Database(database.url.render_as_string(hide_password=False), busy_timeout_s=0.2)
    with database.write() as first:
        touch_access(first)
        with pytest.raises(Busy), hasty.write():
            pass
    with hasty.write() as second:
        touch_access(second)
    hasty.close()


def test_log_numbers_grow_in_commit_order(database: Database) -> None:
    """Two writers race; whoever reads seq n must have been able to see every smaller one."""
    seen: list[int] = []
    stop = threading.Event()

    def write() -> None:
        for _ in range(20):
            with database.write() as session:
                touch_access(session)
                time.sleep(0.001)

    def watch() -> None:
        while not stop.is_set():
            with database.read() as session:
                numbers = session.scalars(select(Change.seq).order_by(Change.seq)).all()
            assert numbers == list(range(1, len(numbers) + 1))
            seen.append(len(numbers))

    watcher = threading.Thread(target=watch)
    writers = [threading.Thread(target=write) for _ in range(2)]
    for thread in (watcher, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    watcher.join()
    assert seen == sorted(seen)
    with database.read() as session:
        assert last_seq(session) == 40


def test_the_migrations_make_the_models(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.engine.connect() as connection:
        assert schema_revision(connection) == HEAD
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_head_names_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD


def test_a_store_of_a_newer_program_is_refused(database: Database) -> None:
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="newer"):
        migrate(database.engine)


def test_opening_while_another_writes_does_not_wait(database: Database, settings) -> None:
    hasty = settings.model_copy(update={"storage": settings.storage.model_copy(update={"busy_timeout_s": 0.2})})
    with database.write() as session:
        touch_access(session)
        Database.open(hasty).close()  # or it would be busy


def test_a_file_that_is_no_store_is_named(tmp_path) -> None:
    (tmp_path / "attest.db").write_bytes(b"this is not a database, it only looks like a file" * 100)
    with pytest.raises(StoreUnavailable, match="attest doctor"):
        Database.open(load_settings(tmp_path))


def test_sqlite_is_as_durable_as_promised(database: Database) -> None:
    if database.dialect != "sqlite":
        pytest.skip("pragmas are SQLite's")
    with database.read() as session:
        pragmas = {
            name: session.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_way_to_name_a_postgresql_server_is_taken(scheme: str) -> None:
    database = Database(f"{scheme}://ana:secret@127.0.0.1:1/name", 1.0)
    assert database.url.render_as_string(hide_password=False) == "postgresql+psycopg://ana:secret@127.0.0.1:1/name"
    assert database.dialect == "postgresql"
