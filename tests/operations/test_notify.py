"""Followers hear of commits at once where the database can say so, and poll where it cannot."""

from __future__ import annotations

import time

import pytest

from bench.victim import WordEncoder
from core.db.bell import CHANNEL, Bell
from core.db.changes import last_seq, touch_access
from core.db.session import Database
from core.settings import Settings
from retriever.retriever import Retriever


def until(seconds: float, holds) -> float:
    began = time.monotonic()
    while not holds() and time.monotonic() - began < seconds:
        time.sleep(0.01)
    return time.monotonic() - began


def entry(database: Database) -> int:
    with database.write() as session:
        touch_access(session)
        return last_seq(session)


@pytest.fixture
def slow(settings: Settings) -> Settings:
    """Polling so seldom that a test would notice."""
    seldom = settings.retrieval.model_copy(update={"follow_interval_s": 30.0})
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
        assert until(5, lambda: retriever._follower._bell._connection is not None) < 5
        seq = entry(database)
        assert until(10, lambda: retriever.seq >= seq) < 5
        with database.engine.connect() as connection:  # the server drops the connection that listens
            drop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = :listen"
            from sqlalchemy import text

            assert connection.execute(text(drop), {"listen": f"LISTEN {CHANNEL}"}).all()
        time.sleep(0.5)
        seq = entry(database)
        assert until(10, lambda: retriever.seq >= seq) < 5
    finally:
        retriever.close()


def test_polling_is_the_floor(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bell, "_listening", lambda self: None)
    retriever = follow(database, settings)
    try:
        seq = entry(database)
        assert until(10, lambda: retriever.seq >= seq) < 5
    finally:
        retriever.close()


def test_closing_does_not_wait_for_the_next_look(database: Database, slow: Settings) -> None:
    retriever = follow(database, slow)
    began = time.monotonic()
    retriever.close()
    assert time.monotonic() - began < 5
