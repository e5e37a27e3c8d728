"""A server that waits for its database and its models, says so, and is there once they are."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import httpx
import pytest
from anyio import to_thread
from fastapi import FastAPI
from pydantic import SecretStr

from app import readiness
from app.keys import create_key
from app.runtime import Runtime
from app.serve import require_key_beyond_loopback
from app.server import create_app
from core.errors import InvalidInput, StoreUnavailable
from core.settings import ServerSettings, Storage, load_settings


@contextmanager
def silent_database(runtime: Runtime) -> Iterator[tuple[SimpleQueue[None], threading.Event]]:
    """Let a database take requests, told in the queue, and answer none before the event."""
    database, taken, answer = runtime.database, SimpleQueue[None](), threading.Event()
    read = database.read

    @contextmanager
    def waiting() -> Iterator[Any]:
        taken.put(None)
        answer.wait(120)
        with read() as session:
            yield session

    database.read = waiting  # type: ignore[method-assign]
    try:
        yield taken, answer
    finally:
        database.read = read  # type: ignore[method-assign]
        answer.set()


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


def test_a_database_that_does_not_answer_holds_up_nothing(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even while every thread that makes whole answers waits for it."""
    app = create_app(runtime.settings, runtime)

    async def ask() -> None:
        to_thread.current_default_thread_limiter().total_tokens = 1
        async with client_of(app) as client:
            stuck = asyncio.create_task(client.get("/v1/documents"))
            await asyncio.to_thread(taken.get, timeout=60)
            asked = [asyncio.create_task(client.get("/readyz")) for _ in range(3)]
            await asyncio.to_thread(taken.get, timeout=60)
            assert (await client.get("/healthz")).json() == {"ok": True}
            for ready in await asyncio.gather(*asked):
                assert (ready.status_code, ready.json()["checks"]["database"]) == (503, False)
                assert "did not answer within 2 s" in ready.json()["reasons"]["database"]
            assert taken.empty(), "one request at a time finds out whether the database answers"
            assert not stuck.done()
            monkeypatch.setattr(readiness, "ANSWER_S", 60.0)
            answers.set()
            await stuck
            assert (await client.get("/readyz")).json()["checks"]["database"] is True

    with silent_database(runtime) as (taken, answers):
        asyncio.run(ask())


def reported(app: FastAPI) -> dict[str, Any]:
    return asyncio.run(app.state.readiness.report())


def until_told(app: FastAPI, part: str, words: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while words not in (report := reported(app))["reasons"].get(part, ""):
        assert time.monotonic() < deadline, report
        time.sleep(0.02)
    return report


def test_parts_that_fail_are_built_again_until_they_are_there(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = runtime.warm
    broken: Exception | None = StoreUnavailable("no answer from postgresql://ana:secret@db/attest")

    def failing() -> None:
        if broken is not None:
            raise broken
        whole()

    monkeypatch.setattr(runtime, "warm", failing)
    monkeypatch.setattr(readiness, "RETRY_S", 0.05)
    app = create_app(runtime.settings, runtime)
    app.state.readiness.start()
    try:
        report = until_told(app, "models", "StoreUnavailable: no answer from postgresql://…@db/attest")
        assert (report["ready"], report["checks"]["models"]) == (False, False)
        broken = RuntimeError("secret words")
        until_told(app, "models", "unexpected RuntimeError; the server's log says more")
        broken = None
        deadline = time.monotonic() + 60
        while not (report := reported(app))["ready"]:
            assert time.monotonic() < deadline, report
            time.sleep(0.1)
        assert report["reasons"] == {}
    finally:
        app.state.readiness.stop()


def test_what_a_person_must_change_is_not_tried_again(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def failing() -> None:
        tried.append(1)
        raise InvalidInput("generation.task names no task")

    monkeypatch.setattr(runtime, "warm", failing)
    monkeypatch.setattr(readiness, "RETRY_S", 0.01)
    app = create_app(runtime.settings, runtime)
    app.state.readiness.start()
    until_told(app, "models", "generation.task names no task")
    app.state.readiness._warming.join(60)
    assert not app.state.readiness._warming.is_alive()
    assert len(tried) == 1


def test_a_server_is_told_to_stop_while_it_waits(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(runtime, "warm", failing)
    monkeypatch.setattr(readiness, "RETRY_S", 3600.0)
    app = create_app(runtime.settings, runtime)
    app.state.readiness.start()
    until_told(app, "models", "away")
    stopping = threading.Thread(target=app.state.readiness.stop, daemon=True)
    stopping.start()
    stopping.join(60)
    assert not stopping.is_alive()


@pytest.mark.parametrize("keyed", [False, True])
def test_a_server_without_keys_says_who_its_operator_is(
    runtime: Runtime, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, keyed: bool
) -> None:
    monkeypatch.setattr(runtime, "warm", lambda: None)
    monkeypatch.setattr(readiness, "warm", lambda _runtime: None)
    if keyed:
        with runtime.database.write() as session:
            create_key(session, None, operator=True)
    app = create_app(runtime.settings, runtime)
    with caplog.at_level(logging.WARNING, "app.readiness"):
        app.state.readiness.start()
        app.state.readiness.stop()
    assert ("anyone who reaches this port is the operator" in caplog.text) is not keyed


def test_a_policy_that_names_no_rail_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "attest.toml").write_text('[rails.policy.toxicty]\naction = "flag"\n')
    environment = {**os.environ, "ATTEST_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "rails.policy.toxicty: no such rail" in done.stderr
    assert "http://" not in done.stderr


def test_a_database_that_is_not_there_yet_stops_no_start(tmp_path: Path) -> None:
    """Without it nobody is known, so nobody is let in: there is nothing to refuse the start for."""
    settings = load_settings(tmp_path).model_copy(
        update={
            "server": ServerSettings(host="0.0.0.0"),
            "storage": Storage(database_url=SecretStr("postgresql://127.0.0.1:1/none")),
        }
    )
    require_key_beyond_loopback(settings)
