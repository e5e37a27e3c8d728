"""Input that no client of good will sends: refused as malformed, never the server's fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from app.runtime import Runtime
from app.schemas import FilterBody, whole_number
from app.server import create_app
from core.blobs import BlobStore
from core.types import OPERATOR
from ingest.documents import list_documents


@pytest.fixture
def client(runtime: Runtime) -> Iterator[TestClient]:
    app = create_app(runtime.settings, runtime)
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


def post(client: TestClient, path: str, body: object) -> tuple[int, dict[str, object]]:
    """Send JSON as a client does that writes half a character as its escape, which is valid JSON."""
    answer = client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    return answer.status_code, answer.json()


@pytest.fixture
def pdf(runtime: Runtime) -> dict[str, str]:
    return next(row for row in list_documents(runtime.database, OPERATOR) if row["source"].endswith(".pdf"))


@pytest.mark.parametrize("number", ["", "²", "-1", " 1", "٣", "9" * 5000])
def test_only_a_few_decimal_digits_are_a_number(client: TestClient, pdf: dict[str, str], number: str) -> None:
    headers = {"Last-Event-ID": f"abc:{number}".encode()}
    assert client.get("/v1/ask/stream/abc", headers=headers).status_code == 422
    assert client.post("/v1/ask/stream", json={"question": "Who?"}, headers=headers).status_code == 422
    page = f"/v1/documents/{pdf['id']}/pages/1.png"
    for highlight in (f"{number}-3", f"3-{number}"):
        assert client.get(page, params={"highlight": highlight}).status_code == 422
    assert [whole_number(text) for text in ("0", "2147483647", number)] == [0, 2**31 - 1, None]


@pytest.mark.parametrize(
    "filters",
    [
        {"updated_after": "0001-01-01T00:00:00+14:00"},
        {"as_of": "9999-12-31T23:59:59-12:00"},
        {"metadata": {"a\0": "b"}},
        {"metadata": {"a": "b\0"}},
        {"metadata": {"a\ud800": "b"}},
        {"source_prefix": "a\0"},
        {"document_ids": ["a\0"]},
    ],
)
def test_a_filter_that_no_store_could_hold_is_malformed(client: TestClient, filters: dict[str, object]) -> None:
    for path, body in (("search", {"query": "leave"}), ("ask", {"question": "How much leave?"})):
        status, told = post(client, f"/v1/{path}", {**body, "filters": filters})
        assert (status, told["type"]) == (422, "urn:attest:InvalidInput")
        assert f"body.filters.{next(iter(filters))}" in str(told["detail"])


def test_moments_are_kept_in_utc() -> None:
    body = FilterBody.model_validate({"as_of": "2026-01-01T00:00:00+02:00"})
    assert body.filters(None).as_of is not None
    assert body.filters(None).as_of.isoformat() == "2025-12-31T22:00:00+00:00"


@pytest.mark.parametrize(
    "content",
    [
        "half \ud800 a character",
        [{"type": "text", "text": "half \ud800 a character"}],
        [{"type": "text", "text": None}],
        [{"type": "text"}],
        [{"type": "half \ud800"}],
    ],
)
def test_a_message_without_a_text_is_malformed(client: TestClient, content: object) -> None:
    status, told = post(client, "/v1/chat/completions", {"messages": [{"role": "user", "content": content}]})
    assert (status, told["type"]) == (422, "urn:attest:InvalidInput")


def test_half_a_character_in_the_conversation_before_is_malformed(client: TestClient) -> None:
    said = [{"role": "assistant", "content": "half \ud800"}, {"role": "user", "content": "Who approves travel?"}]
    assert post(client, "/v1/chat/completions", {"messages": said})[0] == 422


def test_the_pages_of_a_file_that_is_not_kept_are_not_there(
    client: TestClient, runtime: Runtime, pdf: dict[str, str]
) -> None:
    assert client.get(f"/v1/documents/{pdf['id']}/pages/1.png").status_code == 200
    BlobStore(runtime.settings.blobs).path(pdf["sha256"]).unlink()
    for part in ("file", "pages/2.png"):
        answer = client.get(f"/v1/documents/{pdf['id']}/{part}")
        assert answer.status_code == 404
        assert "is not kept" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    ["/v1/documents/a%00b", "/v1/conversations?q=a%00b", "/v1/runs/%1f", "/v1/groups/group:a/members/user:%00"],
)
def test_an_address_with_a_control_character_is_malformed(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:attest:InvalidInput")


@pytest.mark.parametrize("name", ["user:" + "x" * 196, "user:a\0", "user:a\x1fb"])
def test_a_principal_that_no_store_could_hold_is_malformed(client: TestClient, name: str) -> None:
    for path, body in (("keys", {"principal": name}), ("keys", {"name": name, "operator": True})):
        assert post(client, f"/v1/{path}", body)[0] == 422
    assert client.put("/v1/collections/default/access", json={"allow": [name]}).status_code == 422
    assert client.put(f"/v1/groups/group:a/members/{quote(name)}").status_code == 422
    files = {"file": ("a.md", b"# A")}
    for form in ({"allow": name}, {"supersedes": "a\0"}, {"collection": "a\0"}):
        assert client.post("/v1/documents", files=files, data=form).status_code == 422
