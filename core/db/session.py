"""Engines and sessions: a read session never writes, a write session commits once, at its end."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from core.db.schema import WRITER_LOCK, migrate
from core.errors import Busy, InvalidSetting, MissingExtra, StoreDamaged, StoreUnavailable
from core.failpoints import failpoint
from core.home import make_home
from core.settings import Settings

BACKENDS = ("sqlite", "postgresql", "postgres")
PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""How long a PostgreSQL server that falls silent is waited for: seconds, the last in milliseconds."""
LOCKED = ("database is locked", "database table is locked", "lock timeout")
HELD = ("55P03", "40001", "40P01")
"""SQLSTATEs of a lock not had in time, a clash and a deadlock; messages may be in any language."""
GONE = ("08", "53", "57P", "58", "25006")
"""How SQLSTATEs begin of a server that cannot be reached, is out of something, restarts, fails or takes no writes."""
DAMAGED = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
}
UNUSABLE = (
    "disk I/O error",
    "disk is full",
    "unable to open database",
    "readonly database",
    "connection failed",
    "connection refused",
    "server closed the connection",
    "No space left on device",
)


class Database:
    """The SQL store of one home."""

    def __init__(self, url: str, busy_timeout_s: float = 30.0) -> None:
        self.url = _with_driver(url)
        self.dialect = self.url.get_backend_name()
        self.busy_timeout_s = busy_timeout_s
        self.engine = _create_engine(self.url, busy_timeout_s)
        self._writing = threading.Lock()
        """SQLite's own way to wait for another writer is to sleep, up to a tenth of a second at a time."""

    @classmethod
    def open(cls, settings: Settings) -> Database:
        """Open the store of a home, creating or migrating it first.

        Raises:
            Busy: another process kept the store locked past the time-out.
            HomeUnwritable: this process may not write the home.
            StoreUnavailable: the database cannot be used.
            Conflict: a newer program wrote this store.
        """
        make_home(settings.home)
        database = cls(settings.database_url, settings.storage.busy_timeout_s)
        with translated():
            migrate(database.engine)
        return database

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session over one snapshot of the store.

        Raises:
            Busy: the store stayed locked past the time-out.
            StoreUnavailable: the store cannot be read.
        """
        with translated(), Session(self.engine, expire_on_commit=False) as session:
            if self.dialect == "postgresql":
                options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
                session.connection(execution_options=options)
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session that holds the writer's place and commits when the block ends without an error.

        Writers take turns, so `changes.seq` grows in commit order on every database.

        Raises:
            Busy: another writer kept its place past the time-out.
            StoreUnavailable: the store cannot be written.
        """
        with self._turn(), translated(), Session(self.engine, expire_on_commit=False) as session:
            if self.dialect == "sqlite":
                session.connection(execution_options={"attest_begin": "IMMEDIATE"})
            else:
                session.execute(text("SELECT set_config('lock_timeout', :ms, true)"), {"ms": self._timeout_ms})
                session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITER_LOCK})
            yield session
            session.flush()
            failpoint("sql.before_commit")
            session.commit()
            failpoint("sql.after_commit")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let this process's writers of a SQLite store follow one another without a pause."""
        if self.dialect != "sqlite":
            yield
            return
        if not self._writing.acquire(timeout=self.busy_timeout_s):
            raise Busy("another writer of this process kept the store past the time-out; try again in a moment")
        try:
            yield
        finally:
            self._writing.release()

    @property
    def _timeout_ms(self) -> str:
        return str(int(self.busy_timeout_s * 1000))

    def close(self) -> None:
        """Release every connection."""
        self.engine.dispose()


def _with_driver(url: str) -> URL:
    """Return an address with the driver that is installed, whichever it names: the server is the same."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:  # its text holds the URL, and that may hold a password
        raise InvalidSetting(
            "storage.database_url is no URL of a database, e.g. postgresql+psycopg://user:password@host:5432/name"
        ) from error
    if parsed.get_backend_name() not in BACKENDS:
        raise InvalidSetting(f"storage.database_url must name sqlite or postgresql, not {parsed.get_backend_name()}")
    return parsed if parsed.get_backend_name() == "sqlite" else parsed.set(drivername="postgresql+psycopg")


def connect_arguments(url: URL) -> dict[str, int]:
    """Return what a connection to a PostgreSQL server is opened with, but for what its address says itself."""
    return {name: value for name, value in PATIENCE.items() if name not in url.query}


def _create_engine(url: URL, busy_timeout_s: float) -> Engine:
    if url.get_backend_name() != "sqlite":
        try:
            arguments = connect_arguments(url)
            return create_engine(
                url, connect_args=arguments, pool_pre_ping=True, pool_size=10, max_overflow=30, hide_parameters=True
            )
        except ModuleNotFoundError as error:
            raise MissingExtra("postgres", error.name or "psycopg") from error
    waiting = {"timeout": busy_timeout_s, "check_same_thread": False}
    engine = create_engine(url, connect_args=waiting, pool_size=10, max_overflow=100, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # pysqlite's own BEGIN is deferred; ours says which kind
        _enter_wal(connection, busy_timeout_s)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows ASCII alone

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        kind = connection.get_execution_options().get("attest_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {kind}")

    return engine


def _lower(value: Any) -> str | None:
    return None if value is None else str(value).lower()


def _enter_wal(connection: sqlite3.Connection, busy_timeout_s: float) -> None:
    """Switch to WAL; SQLite's busy handler does not cover the switch when two processes make one store."""
    deadline = time.monotonic() + busy_timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _is_damage(error: BaseException | None) -> bool:
    """Say whether SQLite found its file damaged; what it returns beside the kind of damage stands in the upper bits."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code in DAMAGED or code & 0xFF in DAMAGED)


def _is_gone(error: DBAPIError, state: str) -> bool:
    """Say whether the server is not there for now; a connection that breaks or never was has no SQLSTATE."""
    broken = isinstance(error, OperationalError) and not state and hasattr(error.orig, "sqlstate")
    return error.connection_invalidated or broken or state.startswith(GONE)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver says into our errors: a lock time-out is `Busy`, a broken store `StoreUnavailable`."""
    try:
        yield
    except PoolTimeout as error:
        raise Busy("every connection to the store is in use; try again in a moment") from error
    except DBAPIError as error:
        message, state = str(error.orig), getattr(error.orig, "sqlstate", None) or ""
        if state in HELD or any(sign in message for sign in LOCKED):
            raise Busy("another process is writing to the store; try again in a moment") from error
        if _is_damage(error.orig):
            raise StoreDamaged(f"the store is damaged: {message.strip()}; run: attest doctor") from error
        if _is_gone(error, state) or any(sign in message for sign in UNUSABLE):
            raise StoreUnavailable(f"the store cannot be used: {message.strip()}; run: attest doctor") from error
        raise
