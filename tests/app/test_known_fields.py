"""A misspelt field of an address or a form is refused: left out, it would show or share more than was meant."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.keys import create_key
from app.runtime import Runtime
from app.server import create_app


@pytest.fixture
def client(runtime: Runtime) -> Iterator[TestClient]:
    return TestClient(create_app(runtime.settings, runtime), base_url="http://127.0.0.1")


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/v1/documents?colection=hr", "collection, limit, offset"),
        ("/v1/conversations?limit=5&ofset=5", "limit, offset, q"),
        ("/v1/audit?since=1", "before, limit"),
        ("/v1/me?as=user:ana", ""),
    ],
)
def test_an_unknown_field_of_an_address_is_named_with_those_there_are(
    client: TestClient, path: str, known: str
) -> None:
    refused = client.get(path)
    assert refused.status_code == 422
    assert "not a known field" in refused.json()["detail"]
    assert known in refused.json()["detail"]


@pytest.mark.parametrize("field", ["alow", "colection", "effective_from"])
def test_a_file_is_not_taken_in_on_other_terms_than_were_meant(client: TestClient, field: str) -> None:
    before = client.get("/v1/runs").json()
    refused = client.post("/v1/documents", files={"file": ("a.md", b"# A\n\nA gate.")}, data={field: "group:hr"})
    assert refused.status_code == 422
    assert f"body.{field}" in refused.json()["detail"]
    assert client.get("/v1/runs").json() == before


def test_a_stranger_is_told_of_the_key_and_not_of_the_fields(client: TestClient, runtime: Runtime) -> None:
    with runtime.database.write() as session:
        create_key(session, "user:ana")
    assert client.get("/v1/documents?colection=hr").status_code == 401


def test_known_fields_and_clients_of_other_protocols_pass(client: TestClient) -> None:
    assert client.get("/v1/documents?limit=1&offset=1").status_code == 200
    assert client.get("/v1/models?api-version=2024-10-21").status_code == 200
    assert client.get("/healthz?probe=1").status_code == 200


def test_the_record_is_read_page_by_page(client: TestClient) -> None:
    for greeting in ("hello", "thanks", "bye"):
        assert client.post("/v1/ask", json={"question": greeting}).status_code == 200
    first = client.get("/v1/audit?limit=2").json()["records"]
    rest = client.get("/v1/audit", params={"limit": 2, "before": first[-1]["seq"]}).json()["records"]
    assert [record["question"] for record in [*first, *rest]] == ["bye", "thanks", "hello"]
