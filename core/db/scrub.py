"""Making sure that deleted rows leave no bytes behind in the database's own files."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

from sqlalchemy import text

from core.db.base import Base
from core.db.session import Database
from core.errors import Busy, StoreUnavailable

HELD = "somebody reads or writes the store for long; when they are done: attest doctor --repair"


def reclaim(database: Database) -> None:
    """Rewrite the database without its free space and empty its log.

    SQLite: our connections zero what they free (`secure_delete`), yet another tool may have freed pages without; so the
    file is rewritten (VACUUM) and the write-ahead log truncated. PostgreSQL: the tables are rewritten; its write-ahead
    log recycles by itself and is the server's to keep.

    Raises:
        Busy: readers held the log past the time-out.
    """
    if database.dialect != "sqlite":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in Base.metadata.sorted_tables:
                connection.execute(text(f'VACUUM (FULL) "{table.name}"'))
        return
    path, timeout_s = str(database.url.database), database.busy_timeout_s
    try:
        with closing(sqlite3.connect(path, timeout=timeout_s, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            _empty_log(connection, timeout_s)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise Busy(HELD) from error
        raise StoreUnavailable(f"cannot rewrite the store: {error}") from error


def _empty_log(connection: sqlite3.Connection, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() > deadline:
            raise Busy(HELD)
        time.sleep(0.05)
