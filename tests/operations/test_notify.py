"""Followers hear of commits at once where the database can say so, and poll where it cannot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from bench.victim import WordEncoder
from core.db.bell import CHANNEL, Bell
from core.db.changes import last_seq, touch_access
from core.db.session import Database
from core.settings import Settings
from retriever.retriever import Retriever


def within_a_minute(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return held


def ears(database: Database) -> set[int]:
    """Return the server's processes for the connections that listen."""
    query = "SELECT pid FROM pg_stat_activity WHERE query = :listen AND state = 'idle' AND datname = current_database()"
    with database.engine.connect() as connection:
        return set(connection.scalars(text(query), {"listen": f"LISTEN {CHANNEL}"}))


def entry(database: Database) -> int:
    with database.write() as session:
        touch_access(session)
        return last_seq(session)


@pytest.fixture
def slow(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Polling so seldom that a test would notice."""
    monkeypatch.setattr("core.db.bell.CONNECT_TIMEOUT_S", 60)  # one that fails is tried again at the next look
    seldom = settings.retrieval.model_copy(update={"follow_interval_s": 3600.0})
    return settings.model_copy(update={"retrieval": seldom})


def follow(database: Database, settings: Settings) -> Retriever:
    from ingest.report import IngestOptions, TextRecord
    from ingest.run import ingest_texts

    one = [TextRecord("/a", "A text to follow.")]
    ingest_texts(one, IngestOptions(), database=database, settings=settings, encoder=WordEncoder())
    return Retriever.open(database, settings, WordEncoder())


def test_a_commit_wakes_followers_on_postgresql(database: Database, slow: Settings) -> None:
    if database.dialect != "postgresql":
        pytest.skip("SQLite has nobody to notify: it is polled")
    retriever = follow(database, slow)
    try:
        assert within_a_minute(lambda: bool(ears(database)))
        seq = entry(database)
        assert within_a_minute(lambda: retriever.seq >= seq)
        dropped = ears(database)
        with database.engine.connect() as connection:  # the server drops the connection that listens
            for pid in dropped:
                assert connection.scalar(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        assert within_a_minute(lambda: bool(ears(database) - dropped))
        seq = entry(database)
        assert within_a_minute(lambda: retriever.seq >= seq)
    finally:
        retriever.close()


def test_polling_is_the_floor(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bell, "_listening", lambda self: None)
    retriever = follow(database, settings)
    try:
        seq = entry(database)
        assert within_a_minute(lambda: retriever.seq >= seq)
    finally:
        retriever.close()


def test_closing_does_not_wait_for_the_next_look(database: Database, slow: Settings) -> None:
    retriever = follow(database, slow)
    closing = threading.Thread(target=retriever.close, daemon=True)
    closing.start()
    closing.join(60)
    assert not closing.is_alive()
