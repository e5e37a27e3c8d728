"""Fixtures of stores: SQLite always, PostgreSQL where a server can be started; imported by conftests that need them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.db.session import Database
from core.settings import Settings, Storage, load_settings
from tests.postgres import PostgresServer, running_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    plain = load_settings(tmp_path / "home")
    if request.param == "sqlite":
        yield plain
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.database() as url:
        yield plain.model_copy(update={"storage": Storage(database_url=url, busy_timeout_s=30)})


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database.open(settings)
    yield database
    database.close()
