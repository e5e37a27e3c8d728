"""Setting aside a store that is damaged beyond opening, and keeping what no restore may take back.

The new store holds the purges, keys and last log number of the damaged one as far as they can be read, before it takes
its place: what was purged stays purged and who was locked out stays out, whenever the restore ends.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from sqlalchemy import insert

from core.clock import now
from core.db.models import Change
from core.db.session import Database
from core.settings import Settings, Storage

PURGES = "SELECT document_id, requested_at FROM purges"
KEYS = "SELECT prefix, sha256, principal, operator, name, created_at, revoked_at FROM api_keys"
HIGHEST = "SELECT max(seq) FROM changes"
GIVEN = "SELECT seq FROM sqlite_sequence WHERE name = 'changes'"
INTO_PURGES = "INSERT INTO purges (document_id, requested_at) VALUES (?, ?)"
INTO_KEYS = (
    "INSERT INTO api_keys (prefix, sha256, principal, operator, name, created_at, revoked_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
Row = tuple[object, ...]


@dataclass(slots=True)
class Salvage:
    """What could be read of a damaged store, and in words what could not."""

    purges: list[Row] = field(default_factory=list)
    keys: list[Row] = field(default_factory=list)
    highest: int = 0
    lost: list[str] = field(default_factory=list)


def set_aside(settings: Settings, working_name: str) -> list[str]:
    """Move the home's damaged SQLite store aside, put a new one in its place, and return what the operator must know.

    `working_name` begins the name of the file in which the new store is made.
    """
    store = settings.home / "attest.db"
    salvage = read_damaged(store)
    fresh = settings.home / f"{working_name}{uuid4().hex}.db"
    _make(fresh, salvage)
    aside = f"broken-{now().strftime('%Y%m%dT%H%M%S')}-"
    # The log first: SQLite would play it into whichever file has its name.
    for path in sorted(settings.home.glob("attest.db?*")):
        path.rename(path.with_name(aside + path.name))
    store.rename(store.with_name(aside + store.name))
    fresh.rename(store)
    return [f"the damaged store was set aside as {aside}{store.name}", *salvage.lost]


def read_damaged(store: Path) -> Salvage:
    """Read what a restore must keep from a store, row by row until the damage."""
    found = Salvage()
    with closing(sqlite3.connect(store)) as connection:
        found.purges, whole = _rows(connection, PURGES)
        if not whole:
            found.lost.append(
                "its purges cannot all be read: documents purged since the backup was made may be back; "
                "purge them again"
            )
        found.keys, whole = _rows(connection, KEYS)
        if not whole:
            found.lost.append(
                "its keys cannot all be read: keys revoked since the backup was made may be in force again, and keys "
                "made since are gone; see: attest keys list"
            )
        numbers = [*_rows(connection, HIGHEST)[0], *_rows(connection, GIVEN)[0]]
    found.highest = max((number for (number,) in numbers if isinstance(number, int)), default=0)
    return found


def _rows(connection: sqlite3.Connection, query: str) -> tuple[list[Row], bool]:
    """Return the rows before the damage, and whether these are all."""
    rows: list[Row] = []
    try:
        for row in connection.execute(query):
            rows.append(row)  # one by one: those before the damage count
    except sqlite3.Error:
        return rows, False
    return rows, True


def _make(path: Path, salvage: Salvage) -> None:
    """Make a store that holds what was salvaged and nothing else, as one file."""
    path.touch(mode=0o600)
    url = f"sqlite:///{path}"
    made = Database.open(Settings(home=path.parent, storage=Storage(database_url=url)))  # type: ignore[arg-type]
    try:
        if salvage.highest:
            with made.write() as session:
                session.execute(insert(Change), [{"seq": salvage.highest, "op": "reset"}])
    finally:
        made.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.executemany(INTO_PURGES, salvage.purges)
        connection.executemany(INTO_KEYS, salvage.keys)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
