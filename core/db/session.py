"""Engines and sessions: a read session never writes, a write session commits once, at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from core.errors import Busy
from core.failpoints import failpoint
from core.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"
WRITER_LOCK = 0x617474657374  # "attest": the PostgreSQL advisory lock that puts change log rows in commit order


class Database:
    """The SQL store of one home."""

    def __init__(self, url: str, busy_timeout_s: float = 30.0) -> None:
        self.url = url
        self.dialect = make_url(url).get_backend_name()
        self.busy_timeout_s = busy_timeout_s
        self.engine = _create_engine(url, busy_timeout_s)

    @classmethod
    def open(cls, settings: Settings) -> Database:
        """Open the store of a home, creating or migrating it first."""
        settings.home.mkdir(parents=True, exist_ok=True)
        database = cls(settings.database_url, settings.storage.busy_timeout_s)
        migrate(database)
        return database

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session over one snapshot of the store.

        Raises:
            Busy: the store stayed locked past the time-out.
        """
        with _translated(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session that holds the writer's place and commits when the block ends without an error.

        Writers take turns, so `changes.seq` grows in commit order on every database.

        Raises:
            Busy: another writer kept its place past the time-out.
        """
        with _translated(), Session(self.engine, expire_on_commit=False) as session:
            if self.dialect == "sqlite":
                session.connection(execution_options={"attest_begin": "IMMEDIATE"})
                session.execute(text("SELECT 1"))
            else:
                session.execute(text("SELECT set_config('lock_timeout', :ms, true)"), {"ms": self._timeout_ms})
                session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITER_LOCK})
            yield session
            session.flush()
            failpoint("sql.before_commit")
            session.commit()
            failpoint("sql.after_commit")

    @property
    def _timeout_ms(self) -> str:
        return str(int(self.busy_timeout_s * 1000))

    def close(self) -> None:
        """Release every connection."""
        self.engine.dispose()


def _create_engine(url: str, busy_timeout_s: float) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": busy_timeout_s, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # pysqlite's own BEGIN is deferred; ours says which kind
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        kind = connection.get_execution_options().get("attest_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {kind}")

    return engine


@contextmanager
def _translated() -> Iterator[None]:
    """Turn a lock time-out into `Busy`."""
    try:
        yield
    except (OperationalError, DBAPIError) as error:
        message = str(error.orig)
        if "database is locked" in message or "lock timeout" in message:
            raise Busy("another process is writing to the store; try again in a moment") from error
        raise


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the schema to a revision; one process does it while others wait."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.connect() as connection:
        if database.dialect == "sqlite":
            connection = connection.execution_options(attest_begin="IMMEDIATE")
        with connection.begin():
            if database.dialect == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITER_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
