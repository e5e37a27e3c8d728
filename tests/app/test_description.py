"""What the server answers is what `/openapi.json` says of it, errors among it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from app.api.answers import EXAMPLE
from app.api.description import STATUSES
from core.errors import AttestError
from tests.app import shapes
from tests.app.conftest import Api
from tests.app.shapes import require_shape

QUESTION = "How many hours of annual leave may full-time staff carry over?"
API_PAGE = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture
def client(api: Api) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


@pytest.fixture
def spec(client: httpx.Client) -> dict[str, Any]:
    spec: dict[str, Any] = client.get("/openapi.json").json()
    return spec


def require_described(spec: dict[str, Any], route: str, response: httpx.Response) -> None:
    """Fail where a response has a status, a type of content or a field that its route does not declare."""
    told = spec["paths"][route][response.request.method.lower()]["responses"]
    assert str(response.status_code) in told, f"{route} does not declare {response.status_code}: {response.text}"
    declared = told[str(response.status_code)]["content"]
    media_type = response.headers["content-type"].partition(";")[0]
    assert media_type in declared or "*/*" in declared, f"{route} declares {list(declared)}, not {media_type}"
    if not media_type.endswith("json"):
        return
    schema = declared[media_type]["schema"]
    Draft202012Validator({**schema, "components": spec["components"]}).validate(response.json())
    if "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert set(response.json()) <= set(schema["properties"]), f"{route} does not declare every field"


def test_answers_are_described(client: httpx.Client, api: Api, spec: dict[str, Any]) -> None:
    leave = api.ids["leave.md"]
    for question in (QUESTION, "Which colour is the moon base painted in?"):
        require_described(spec, "/v1/ask", client.post("/v1/ask", json={"question": question}))
    require_described(spec, "/v1/ask/stream", client.post("/v1/ask/stream", json={"question": QUESTION}))
    chat = {"messages": [{"role": "user", "content": QUESTION}]}
    for body in (chat, chat | {"stream": True}):
        require_described(spec, "/v1/chat/completions", client.post("/v1/chat/completions", json=body))
    require_described(spec, "/v1/search", client.post("/v1/search", json={"query": "leave"}))
    explained = client.post("/v1/explain", json={"question": QUESTION, "document_id": leave})
    require_described(spec, "/v1/explain", explained)
    require_described(spec, "/v1/summarize", client.post("/v1/summarize", json={"document_id": leave}))


def test_documents_are_described(client: httpx.Client, api: Api, spec: dict[str, Any]) -> None:
    one = "/v1/documents/{document_id}"
    for name in ("leave.md", "safety.pdf"):
        at = f"/v1/documents/{api.ids[name]}"
        require_described(spec, one, client.get(at))
        for part, headers in (("text", {}), ("text", {"Accept": "application/json"}), ("file", {})):
            require_described(spec, f"{one}/{part}", client.get(f"{at}/{part}", headers=headers))
    require_described(spec, f"{one}/pages/{{page}}.png", client.get(f"{at}/pages/1.png"))
    require_described(spec, "/v1/documents", client.get("/v1/documents"))
    uploaded = client.post("/v1/documents", files={"file": ("lamp.md", b"# Lamp\n\nThe lamp is lit at dusk.\n")})
    require_described(spec, "/v1/documents", uploaded)
    path = uploaded.headers["location"]
    deadline = time.monotonic() + 90
    while client.get(path).json()["state"] != "done":
        require_described(spec, "/v1/runs/{run_id}", client.get(path))
        assert time.monotonic() < deadline
        time.sleep(0.05)
    require_described(spec, "/v1/runs/{run_id}", client.get(path))
    require_described(spec, "/v1/runs", client.get("/v1/runs"))
    lamp = next(row for row in client.get("/v1/documents").json()["documents"] if row["source"] == "uploads/lamp.md")
    require_described(spec, one, client.delete(f"/v1/documents/{lamp['id']}"))


def test_the_rest_is_described(client: httpx.Client, spec: dict[str, Any]) -> None:
    client.post("/v1/ask", json={"question": QUESTION, "conversation_id": "described"})
    for path in ("/v1/conversations", "/v1/me", "/readyz", "/metrics"):
        require_described(spec, path, client.get(path))
    one = "/v1/conversations/{conversation_id}"
    require_described(spec, one, client.get("/v1/conversations/described"))
    for form in ("json", "markdown"):
        found = client.get("/v1/conversations/described/export", params={"format": form})
        require_described(spec, f"{one}/export", found)


@pytest.mark.parametrize(
    ("method", "route", "path", "sent", "status"),
    [
        ("POST", "/v1/ask", "/v1/ask", {"json": {"question": ""}}, 422),
        ("POST", "/v1/ask", "/v1/ask", {"json": {"question": "x" * 2_000_000}}, 413),
        ("POST", "/v1/ask", "/v1/ask", {"json": {"question": "x"}, "headers": {"Origin": "http://[bad"}}, 400),
        ("POST", "/v1/ask", "/v1/ask", {"json": {"question": "x"}, "headers": {"Host": "evil.example"}}, 403),
        ("POST", "/v1/chat/completions", "/v1/chat/completions", {"json": {"messages": []}}, 422),
        ("GET", "/v1/documents/{document_id}", "/v1/documents/none", {}, 404),
        ("GET", "/v1/documents/{document_id}", "/v1/documents/a%00b", {}, 422),
        ("GET", "/metrics", "/metrics", {"headers": {"Host": "evil.example"}}, 403),
    ],
)
def test_errors_are_described(
    client: httpx.Client, spec: dict[str, Any], method: str, route: str, path: str, sent: dict[str, Any], status: int
) -> None:
    response = client.request(method, path, **sent)
    assert response.status_code == status, response.text
    require_described(spec, route, response)


def test_no_key_is_described(keyed_api: Api, spec: dict[str, Any]) -> None:
    with keyed_api.client() as client:
        require_described(spec, "/v1/documents", client.get("/v1/documents"))


def test_every_error_is_declared_and_explained() -> None:
    def kinds(kind: type[AttestError]) -> set[type[AttestError]]:
        return {kind}.union(*map(kinds, kind.__subclasses__()))

    statuses = {kind.status_code for kind in kinds(AttestError) if kind.__module__ == "core.errors"}
    assert statuses - {415} <= set(STATUSES)  # of one file of an upload: told in its run
    errors = API_PAGE.read_text(encoding="utf-8").partition("## Errors")[2]
    for status in {*statuses, *STATUSES}:
        assert re.search(rf"\b{status}\b", errors), f"docs/api.md does not tell of {status}"


def test_the_example_is_a_whole_answer() -> None:
    require_shape(json.loads(json.dumps(EXAMPLE.to_json())), shapes.ANSWER)
    claim, citation = EXAMPLE.claims[0], EXAMPLE.citations[0]
    assert EXAMPLE.text[claim.start : claim.end] == claim.text
    assert len(citation.quote) == citation.end - citation.start


def test_documents_are_listed_in_parts(client: httpx.Client) -> None:
    whole = client.get("/v1/documents").json()
    part = client.get("/v1/documents", params={"limit": 2, "offset": 1}).json()
    assert part == {"documents": whole["documents"][1:3], "total": len(whole["documents"])}
    assert client.get("/v1/documents", params={"limit": 0}).status_code == 422
