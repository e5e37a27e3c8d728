"""Whom a server takes a request to be from: with keys, without any, and after a restore."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from app.backup import backup, restore
from app.keys import create_key, revoke_key
from app.limits import from_here
from app.server import create_app
from core.db.session import Database
from core.settings import ServerSettings, Settings, load_settings

PROXIED = [{"Host": "attest.example.com"}, {"Origin": "https://attest.example.com"}]
SENT_ON = [
    {"Forwarded": "for=203.0.113.9"},
    {"Via": "1.1 proxy"},
    {"X-Forwarded-For": "203.0.113.9"},
    {"X-Forwarded-Host": "attest.example.com"},
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Server": "attest.example.com"},
    {"X-Real-IP": "203.0.113.9"},
]
"""What proxies add to a request that they send on under the host of the server behind them."""


@contextmanager
def asking(settings: Settings, host: str = "127.0.0.1") -> Iterator[TestClient]:
    """Ask a server bound to a host; its models are not started, for nothing here needs them."""
    app = create_app(settings.model_copy(update={"server": ServerSettings(host=host)}))
    try:
        yield TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    finally:
        app.state.runtime.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path / "home")


@pytest.fixture
def token(settings: Settings) -> str:
    database = Database.open(settings)
    with database.write() as session:
        made = create_key(session, None, operator=True)
    database.close()
    return made.token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_without_keys_other_machines_are_not_served(settings: Settings) -> None:
    with asking(settings) as client:
        assert client.get("/v1/me").json()["operator"] is True
    with asking(settings, "0.0.0.0") as client:
        assert client.get("/v1/me").status_code == 401
        assert client.post("/v1/keys", json={"operator": True}).status_code == 401


@pytest.mark.parametrize("headers", PROXIED)
def test_with_keys_a_proxy_on_this_machine_may_name_another_host(
    settings: Settings, token: str, headers: dict[str, str]
) -> None:
    with asking(settings) as client:
        assert client.get("/v1/me", headers=headers | bearer(token)).json()["operator"] is True
        assert client.get("/v1/me", headers=headers).status_code == 401


@pytest.mark.parametrize("headers", SENT_ON)
def test_without_keys_nobody_is_served_through_a_proxy(settings: Settings, headers: dict[str, str]) -> None:
    with asking(settings) as client:
        assert client.get("/v1/me", headers={"Host": "127.0.0.1:8000"}).status_code == 200
        assert client.get("/v1/me", headers={"Host": "127.0.0.1:8000"} | headers).status_code == 403


def test_without_keys_the_protocol_of_proxies_that_tell_nothing_is_not_served(settings: Settings) -> None:
    with asking(settings) as client:
        assert not from_here({"host": "127.0.0.1:8000"}, "1.0")
        assert from_here({"host": "127.0.0.1:8000"}, "1.1")
        assert client.get("/v1/me").status_code == 200


def test_with_keys_a_proxy_may_send_requests_on(settings: Settings, token: str) -> None:
    headers = {name: value for one in SENT_ON for name, value in one.items()} | bearer(token)
    with asking(settings) as client:
        assert client.get("/v1/me", headers=headers).json()["operator"] is True


@pytest.mark.parametrize("headers", [{"Host": "[bad"}, {"Origin": "http://[bad"}])
def test_an_address_that_is_none_is_the_callers_mistake(settings: Settings, headers: dict[str, str]) -> None:
    with asking(settings) as client:
        for path in ("/v1/me", "/nowhere"):
            response = client.get(path, headers=headers)
            assert (response.status_code, response.json()["type"]) == (400, "urn:attest:BadRequest")


@pytest.mark.parametrize("path", ["/v1/documents", "/v1/ask", "/v1/chat/completions"])
def test_a_strangers_body_is_not_read(settings: Settings, token: str, path: str) -> None:
    told: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        told.append(message)

    headers = [(b"content-type", b"multipart/form-data; boundary=x"), (b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    scope |= {"http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 5)}
    with asking(settings) as client:
        asyncio.run(client.app(scope, receive, send))
    assert (told[0]["status"], dict(told[0]["headers"])[b"www-authenticate"]) == (401, b"Bearer")


@pytest.mark.parametrize("key", ["", "attest_00000000_" + "x" * 43])
def test_a_stranger_is_told_the_same_whatever_is_sent(settings: Settings, token: str, key: str) -> None:
    headers = bearer(key) if key else {}
    with asking(settings) as client:
        plain = client.get("/v1/me", headers=headers)
        for content in (b"{", b'{"question": 1}'):
            sent = client.post("/v1/ask", content=content, headers=headers | {"Content-Type": "application/json"})
            assert (sent.status_code, sent.json()) == (401, plain.json())
            assert sent.headers.items() == plain.headers.items()
        assert client.post("/v1/ask", content=b"{", headers=bearer(token)).status_code == 422


def test_a_request_with_a_body_counts_once_towards_the_rate(
    settings: Settings, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.limits.time", SimpleNamespace(monotonic=lambda: 0.0))  # no token comes back meanwhile
    app = create_app(settings.model_copy(update={"server": ServerSettings(requests_per_minute=3)}))
    client = TestClient(app, base_url="http://127.0.0.1")
    codes = [client.put("/v1/groups/x/members/y", headers=bearer(token)).status_code for _ in range(4)]
    codes += [client.post("/v1/ask", content=b"{").status_code for _ in range(4)]
    app.state.runtime.close()
    assert codes == [422, 422, 422, 429, 401, 401, 401, 429]


def test_a_restore_from_before_any_key_opens_the_server_to_nobody(settings: Settings, tmp_path: Path) -> None:
    database = Database.open(settings)
    backup(database, settings, tmp_path / "copy")
    with database.write() as session:
        made = create_key(session, None, operator=True)
    database.close()
    with asking(settings, "0.0.0.0") as client:
        assert client.get("/v1/me").status_code == 401
        restore(settings, tmp_path / "copy", force=True)
        assert client.get("/v1/me").status_code == 401
        assert client.get("/v1/me", headers=bearer(made.token)).status_code == 200


def test_a_restore_revives_no_revoked_key(settings: Settings, token: str, tmp_path: Path) -> None:
    database = Database.open(settings)
    backup(database, settings, tmp_path / "copy")
    with database.write() as session:
        revoke_key(session, token.split("_")[1])
    database.close()
    restore(settings, tmp_path / "copy", force=True)
    with asking(settings) as client:
        assert client.get("/v1/me", headers=bearer(token)).status_code == 401


def test_a_key_revoked_before_the_backup_stays_revoked_in_an_empty_home(
    settings: Settings, token: str, tmp_path: Path
) -> None:
    database = Database.open(settings)
    with database.write() as session:
        revoke_key(session, token.split("_")[1])
    backup(database, settings, tmp_path / "copy")
    database.close()
    other = load_settings(tmp_path / "other")
    restore(other, tmp_path / "copy")
    with asking(other) as client:
        assert client.get("/v1/me", headers=bearer(token)).status_code == 401
