"""Moving a whole store: out to one SQLite file and back, whichever database the home uses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, create_engine, delete, func, insert, inspect, select, text, update
from sqlalchemy.orm import Session

from core.db.base import Base
from core.db.changes import append_changes, touch_access
from core.db.models import ApiKey, Change, ChunkRow, Document, Purge
from core.db.schema import migrate
from core.db.session import Database
from core.errors import Busy, StoreUnavailable

ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Lasting:
    """What a restore does not take back: the purges, the keys, and the last log number of the store it replaces."""

    purged: frozenset[str]
    keys: tuple[ApiKey, ...]
    highest: int


def copy_out(database: Database, target: Path) -> None:
    """Write one consistent copy of the store to a new SQLite file; writers go on meanwhile.

    Raises:
        StoreUnavailable: the copy cannot be written.
    """
    if database.dialect == "sqlite":
        _sqlite_copy(Path(str(database.url.database)), target, database.busy_timeout_s)
    else:
        copy = Database(f"sqlite:///{target}")
        try:
            migrate(copy.engine)
            with database.read() as session, copy.engine.connect() as connection:
                _copy_tables(session.connection(), connection)
                connection.commit()
        finally:
            copy.close()
    with closing(sqlite3.connect(target)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it


def replace_with(database: Database, source: Path) -> None:
    """Replace everything in the store by the content of a SQLite file, in one transaction.

    Raises:
        Busy: readers or a writer kept the store past the time-out.
    """
    if database.dialect == "sqlite":
        database.close()
        _sqlite_copy(source, Path(str(database.url.database)), database.busy_timeout_s)
        return
    engine = create_engine(f"sqlite:///{source}", hide_parameters=True)
    try:
        with engine.connect() as connection, database.write() as session:
            target = session.connection()
            for table in reversed(Base.metadata.sorted_tables):
                for column in _self_references(table):
                    target.execute(update(table).values({column: None}))
                target.execute(delete(table))
            _copy_tables(connection, target)
            _restart_sequences(target)
    finally:
        engine.dispose()


def lasting(session: Session) -> Lasting:
    """Return what a store keeps whatever it is replaced by."""
    purged = frozenset(session.scalars(select(Purge.document_id)))
    return Lasting(purged, tuple(session.scalars(select(ApiKey))), highest_seq(session))


def start_new_history(database: Database, before: Lasting) -> int:
    """Prepare a restored store: what was purged since hides, and followers of the history before build anew.

    Keys made or revoked since stay so: the server must not open to everybody, nor to whom it was closed. The new
    history starts above both logs. Returns the number of documents in it that were purged since it was copied.
    """
    with database.write() as session:
        _keep_keys(session, before.keys)
        again = 0
        for document_id in sorted(before.purged):
            if session.get(Purge, document_id) is None:
                session.add(Purge(document_id=document_id))
            document = session.scalar(select(Document).where(Document.id == document_id))
            if document is not None:
                document.state = "deleted"
                again += 1
                for chunk in session.scalars(select(ChunkRow).where(ChunkRow.document_key == document.key)):
                    append_changes(session, "remove", [chunk.id], chunk.generation_id)
        touch_access(session)
        seq = max(before.highest, highest_seq(session)) + 1
        session.execute(insert(Change), [{"seq": seq, "op": "reset", "chunk_id": None, "generation_id": None}])
    return again


def _keep_keys(session: Session, keys: Iterable[ApiKey]) -> None:
    """Bring keys into a restored store; one that either store knows as revoked is revoked."""
    for key in keys:
        restored = session.get(ApiKey, key.prefix)
        revoked_at = key.revoked_at or (restored.revoked_at if restored else None)
        session.merge(key).revoked_at = revoked_at


def highest_seq(session: Session) -> int:
    """Return the highest log number ever given, entries that are gone included where the store remembers them."""
    highest = session.scalar(select(func.max(Change.seq))) or 0
    if session.get_bind().dialect.name == "sqlite":
        given = session.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = 'changes'")) or 0
        return max(highest, int(given))
    return highest


def _sqlite_copy(source: Path, target: Path, busy_timeout_s: float) -> None:
    """Copy with SQLite's backup interface: a consistent source, an all-or-nothing target."""
    try:
        with (
            closing(sqlite3.connect(source, timeout=busy_timeout_s)) as origin,
            closing(sqlite3.connect(target, timeout=busy_timeout_s)) as copy,
        ):
            copy.execute("PRAGMA synchronous=FULL")
            origin.backup(copy)
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise Busy("the store is in use; stop what writes to it and try again") from error
        raise StoreUnavailable(f"cannot copy the store: {error}") from error


def _copy_tables(source: Connection, target: Connection) -> None:
    """Copy every row; references within one table are set last, for they may point forward.

    A source of an older schema lacks columns, which are empty in the copy.
    """
    for table in Base.metadata.sorted_tables:
        there = {column["name"] for column in inspect(source).get_columns(table.name)}
        rows_there = select(*(column for column in table.c if column.name in there))
        later: list[dict[str, Any]] = []
        own = _self_references(table)
        for batch in source.execution_options(yield_per=ROWS_AT_ONCE).execute(rows_there).mappings().partitions():
            rows = [dict(row) for row in batch]
            for row in rows:
                if any(row[name] is not None for name in own):
                    later.append(dict(row))
                    row.update(dict.fromkeys(own))
            target.execute(insert(table), rows)
        key = list(table.primary_key.columns)
        for row in later:
            where = [column == row[column.name] for column in key]
            target.execute(update(table).where(*where).values({name: row[name] for name in own}))


def _self_references(table: Table) -> list[str]:
    return [key.parent.name for key in table.foreign_keys if key.column.table is table]


def _restart_sequences(target: Connection) -> None:
    """Let PostgreSQL's sequences go on after the rows that came with numbers of their own."""
    for table in Base.metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        name = target.scalar(select(func.pg_get_serial_sequence(f'"{table.name}"', column.name)))
        if name is not None:
            highest = target.scalar(select(func.max(column))) or 0
            target.execute(select(func.setval(name, max(highest, 1), highest > 0)))
