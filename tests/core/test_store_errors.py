"""What a database server or a driver says when it is gone: told as a store that is unavailable for now."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

from core.db import session as sessions
from core.db.prepared import driver_cursor
from core.db.session import Database
from core.errors import Busy, StoreUnavailable
from core.settings import Settings

TYPED = "what somebody typed"


class DriverError(Exception):
    """An error as psycopg raises it."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("irgendetwas ging schief")
        self.sqlstate = sqlstate


@pytest.mark.parametrize("state", ["08006", "08P01", "53100", "53300", "57P01", "57P02", "57P03", "58030", "25006"])
def test_a_server_that_is_gone_for_now(state: str) -> None:
    with pytest.raises(StoreUnavailable) as told, sessions.translated():
        raise OperationalError("SELECT 1", {}, DriverError(state))
    assert told.value.status_code == 503
    assert told.value.retry_after_s


@pytest.mark.parametrize("state", ["55P03", "40001", "40P01"])
def test_a_place_that_others_hold(state: str) -> None:
    with pytest.raises(Busy), sessions.translated():
        raise OperationalError("SELECT 1", {}, DriverError(state))


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError, DBAPIError])
def test_a_connection_that_broke(kind: type[DBAPIError]) -> None:
    with pytest.raises(StoreUnavailable), sessions.translated():
        raise kind("SELECT 1", {}, DriverError(None), connection_invalidated=True)


def test_a_fault_of_ours_stays_one() -> None:
    with pytest.raises(IntegrityError), sessions.translated():
        raise IntegrityError("INSERT", {}, DriverError("23505"))


def test_a_server_that_nobody_reaches() -> None:
    database = Database("postgresql://ana:secret@127.0.0.1:1/name", 1.0)
    with pytest.raises(StoreUnavailable) as told, database.read():
        pass
    assert "secret" not in str(told.value)


def test_a_connection_that_the_server_ends(settings: Settings) -> None:
    if settings.storage.database_url is None:
        pytest.skip("SQLite has no server")
    database = Database.open(settings)

    def lose() -> None:
        with database.read() as session:
            own = session.scalar(text("SELECT pg_backend_pid()"))
            with database.read() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
            session.execute(text("SELECT 1"))

    with pytest.raises(StoreUnavailable):
        lose()
    with database.read() as session:  # the next one gets a connection that lives
        assert session.scalar(text("SELECT 1")) == 1
    database.close()


def test_a_server_that_takes_no_writes(settings: Settings) -> None:
    if settings.storage.database_url is None:
        pytest.skip("SQLite has no server")
    database = Database.open(settings)

    def write() -> None:
        with database.write() as session:
            session.execute(text("SET TRANSACTION READ ONLY"))
            session.execute(text("DELETE FROM collections"))

    with pytest.raises(StoreUnavailable):
        write()
    database.close()


def test_an_error_does_not_repeat_what_was_typed(database: Database) -> None:
    with pytest.raises(DBAPIError) as told, database.read() as session:
        session.execute(text("SELECT * FROM nowhere WHERE it = :it"), {"it": TYPED})
    assert TYPED not in str(told.value)


def test_nor_does_one_of_the_driver(database: Database) -> None:
    def ask() -> None:
        with (
            database.read() as session,
            driver_cursor(session.connection(), "SELECT * FROM nowhere", [TYPED]) as cursor,
        ):
            cursor.execute("SELECT * FROM nowhere")

    with pytest.raises(DBAPIError) as told:
        ask()
    assert TYPED not in str(told.value)


def test_a_server_is_not_waited_for_without_end() -> None:
    url = "postgresql://ana@db/name"
    assert sessions.connect_arguments(Database(url).url) == sessions.PATIENCE
    own = sessions.connect_arguments(Database(f"{url}?connect_timeout=3").url)
    assert "connect_timeout" not in own  # the operator's own stands
    assert own["tcp_user_timeout"] == sessions.PATIENCE["tcp_user_timeout"]
