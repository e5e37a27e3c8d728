"""The REST edge over HTTP: shapes, streams, uploads, pages, problems."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from retriever.follower import Follower
from tests.app import shapes
from tests.app.conftest import Api
from tests.app.shapes import require_shape

QUESTION = "How many hours of annual leave may full-time staff carry over?"


@pytest.fixture
def client(api: Api) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


def events(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the id, name and data of server-sent events."""
    event_id = name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "id":
            event_id = value
        elif field == "event":
            name = value
        elif field == "data":
            yield event_id, name, json.loads(value)


def wait_for(client: httpx.Client, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        run = client.get(f"/v1/runs/{run_id}").json()
        if run["state"] not in ("queued", "running"):
            return run
        time.sleep(0.1)
    raise AssertionError(f"run {run_id} did not end: {run}")


def test_ask(client: httpx.Client) -> None:
    response = client.post("/v1/ask", json={"question": QUESTION})
    assert response.status_code == 200
    answer = response.json()
    require_shape(answer, shapes.ANSWER)
    assert answer["outcome"] == "answered"
    for citation in answer["citations"]:
        text = client.get(f"/v1/documents/{citation['document_id']}/text").text
        assert citation["quote"] == text[citation["start"] : citation["end"]]


def test_a_refusal_is_an_outcome(client: httpx.Client) -> None:
    response = client.post("/v1/ask", json={"question": "Which colour is the moon base painted in?"})
    answer = response.json()
    assert (response.status_code, answer["outcome"]) == (200, "refused")
    assert answer["reason"]
    assert answer["text"]
    assert answer["citations"] == []
    assert answer["nearest"]


def test_stream_tells_every_claim_before_the_answer(client: httpx.Client) -> None:
    with client.stream("POST", "/v1/ask/stream", json={"question": QUESTION}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        told = list(events(response.iter_lines()))
    names = [name for _, name, _ in told]
    assert names[-1] == "answer"
    assert names.count("answer") == 1
    answer = told[-1][2]
    require_shape(answer, shapes.ANSWER)
    claims = [data for _, name, data in told if name == "claim"]
    assert [(c["text"], c["start"], c["end"]) for c in claims] == [
        (c["text"], c["start"], c["end"]) for c in answer["claims"]
    ]
    assert "".join(c["added"] for c in claims) == answer["text"]
    assert [data for _, name, data in told if name == "citation"] == answer["citations"]
    assert {"retrieve", "generate"} <= {data["stage"] for _, name, data in told if name == "stage"}
    numbers = [int(event_id.split(":")[1]) for event_id, _, _ in told]
    assert numbers == list(range(1, len(told) + 1))


def test_a_stream_resumes_after_the_last_event_seen(client: httpx.Client) -> None:
    with client.stream("POST", "/v1/ask/stream", json={"question": QUESTION}) as response:
        told = list(events(response.iter_lines()))
    seen = told[2][0]
    body = {"question": QUESTION}
    with client.stream("POST", "/v1/ask/stream", json=body, headers={"Last-Event-ID": seen}) as response:
        assert list(events(response.iter_lines())) == told[3:]
    stream_id = seen.split(":")[0]
    with client.stream("GET", f"/v1/ask/stream/{stream_id}") as response:
        assert list(events(response.iter_lines())) == told


def test_a_stream_tells_an_error_as_an_event(client: httpx.Client) -> None:
    body = {"question": QUESTION, "min_seq": 10**9}
    with client.stream("POST", "/v1/ask/stream", json=body) as response:
        told = list(events(response.iter_lines()))
    assert told[-1][1] == "error"
    require_shape(told[-1][2], shapes.PROBLEM)
    assert told[-1][2]["status"] == 422


def test_search_and_explain(client: httpx.Client, api: Api) -> None:
    found = client.post("/v1/search", json={"query": "lost laptop", "k": 3}).json()
    require_shape(found, shapes.SEARCH)
    assert found["hits"][0]["document_id"] == api.ids["devices.md"]
    body = {"question": "lost laptop", "document_id": api.ids["leave.md"]}
    found = client.post("/v1/explain", json=body).json()
    require_shape(found, shapes.EXPLANATION)
    assert found["stage"] == "returned"
    assert client.post("/v1/explain", json=body | {"k": 1}).json()["stage"] == "fusion"
    assert client.post("/v1/explain", json=body | {"mode": "lexical"}).json()["ranks"]["returned"] is not None
    assert client.post("/v1/explain", json=body | {"mode": "neither"}).status_code == 422


def test_documents(client: httpx.Client, api: Api) -> None:
    listed = client.get("/v1/documents").json()
    require_shape(listed, shapes.DOCUMENTS)
    assert set(api.ids.values()) <= {row["id"] for row in listed["documents"]}
    leave = api.ids["leave.md"]
    assert client.get(f"/v1/documents/{leave}").json()["id"] == leave
    original = client.get(f"/v1/documents/{leave}/file")
    assert original.text.startswith("# Annual leave")
    assert original.headers["content-disposition"].startswith("attachment")
    as_json = client.get(f"/v1/documents/{leave}/text", headers={"Accept": "application/json"}).json()
    assert as_json["text"] == client.get(f"/v1/documents/{leave}/text").text


def test_pages_are_pictures_with_the_cited_words_marked(client: httpx.Client, api: Api) -> None:
    from PIL import Image, ImageChops

    safety = api.ids["safety.pdf"]
    start = client.get(f"/v1/documents/{safety}/text").text.index("The assembly point")
    plain = client.get(f"/v1/documents/{safety}/pages/1.png")
    marked = client.get(f"/v1/documents/{safety}/pages/1.png", params={"highlight": f"{start}-{start + 20}"})
    assert plain.headers["content-type"] == marked.headers["content-type"] == "image/png"
    pictures = [Image.open(io.BytesIO(response.content)).convert("RGB") for response in (plain, marked)]
    changed = ImageChops.difference(*pictures).getbbox()
    line_in_pixels = [round(value * 110 / 72) for value in (72, 792 - 696 - 14, 72, 792 - 696 + 4)]
    assert changed is not None
    assert abs(changed[0] - line_in_pixels[0]) < 8
    assert line_in_pixels[1] - 8 < changed[1] < changed[3] < line_in_pixels[3] + 8
    assert client.get(f"/v1/documents/{safety}/pages/3.png").status_code == 404
    assert client.get(f"/v1/documents/{api.ids['leave.md']}/pages/1.png").status_code == 404


def test_upload_is_acknowledged_then_answered_from(client: httpx.Client) -> None:
    content = b"# Bicycles\n\nThe bicycle shed is emptied of abandoned bicycles every March.\n"
    response = client.post("/v1/documents", files={"file": ("../../bicycles.md", content)})
    assert response.status_code == 202
    run = wait_for(client, response.json()["run_id"])
    assert (run["state"], run["added"], run["failed"]) == ("done", 1, [])
    require_shape(run, shapes.INGEST)
    search = {"query": "bicycle shed abandoned bicycles", "k": 1, "min_seq": run["seq"]}
    hit = client.post("/v1/search", json=search).json()["hits"][0]
    assert "March" in hit["text"]
    assert hit["source"] == "uploads/bicycles.md"
    again = client.post("/v1/documents", files={"file": ("bicycles.md", content.replace(b"March", b"April"))}).json()
    run = wait_for(client, again["run_id"])
    assert run["updated"] == 1
    hit = client.post("/v1/search", json={**search, "min_seq": run["seq"]}).json()["hits"][0]
    assert "April" in hit["text"]
    assert hit["version"] == 2
    deleted = client.delete(f"/v1/documents/{hit['document_id']}").json()
    require_shape(deleted, shapes.DELETED)
    hits = client.post("/v1/search", json={"query": "bicycle shed"}).json()["hits"]
    assert not any("bicycle" in hit["text"] for hit in hits)


def test_an_upload_that_cannot_be_read_says_so_in_its_run(client: httpx.Client) -> None:
    run_id = client.post("/v1/documents", files={"file": ("broken.pdf", b"%PDF-1.4 no")}).json()["run_id"]
    run = wait_for(client, run_id)
    assert run["state"] == "done"
    assert [failure["source"] for failure in run["failed"]] == ["uploads/broken.pdf"]
    assert run_id in [row["run_id"] for row in client.get("/v1/runs").json()["runs"]]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/ask", {"question": ""}, 422),
        ("POST", "/v1/ask", {"question": "x", "colection": "default"}, 422),
        ("POST", "/v1/ask", {"question": "x", "k": 0}, 422),
        ("POST", "/v1/ask", {"question": "x", "style": {"task": "../x"}}, 422),
        ("POST", "/v1/ask", {"question": "x", "conversation_id": "../x"}, 422),
        ("POST", "/v1/ask", {"question": "x", "generator": "vllm"}, 422),
        ("POST", "/v1/ask", {"question": "x" * 2_000_000}, 413),
        ("POST", "/v1/search", {"query": "x", "min_seq": 10**9}, 422),
        ("GET", "/v1/documents/none", None, 404),
        ("GET", "/v1/documents/none/text", None, 404),
        ("DELETE", "/v1/documents/none", None, 404),
        ("GET", "/v1/runs/none", None, 404),
        ("GET", "/v1/conversations/none", None, 404),
        ("POST", "/v1/feedback", {"answer_id": "none", "rating": "up"}, 404),
        ("GET", "/v1/ask/stream/none", None, 404),
        ("GET", "/nowhere", None, 404),
        ("PATCH", "/v1/ask", None, 405),
    ],
)
def test_errors_are_problems(client: httpx.Client, method: str, path: str, body: Any, status: int) -> None:
    response = client.request(method, path, json=body)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    require_shape(response.json(), shapes.PROBLEM)
    assert response.json()["status"] == status


def test_health_and_metrics(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.readiness.ANSWER_S", 60.0)
    client.post("/v1/ask", json={"question": QUESTION})
    assert client.get("/healthz").json() == {"ok": True}
    assert client.get("/readyz").json()["ready"] is True
    text = client.get("/metrics").text
    assert 'attest_answers_total{generator="quote",outcome="answered",reason=""}' in text
    assert 'attest_requests_total{method="POST",route="/v1/ask",status="200"}' in text
    assert 'attest_stage_seconds_count{stage="retrieve"}' in text
    assert "annual leave" not in text


def test_ready_says_when_the_index_is_not_followed(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.readiness.ANSWER_S", 60.0)
    assert client.get("/readyz").json()["reasons"] == {}
    monkeypatch.setattr(Follower, "following", False)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["checks"]["index"]) == (503, False)
    assert "thread that follows the change log has ended" in response.json()["reasons"]["index"]


def test_openapi_has_examples_and_every_route(client: httpx.Client) -> None:
    spec = client.get("/openapi.json").json()
    assert spec["components"]["schemas"]["AskBody"]["examples"]
    assert {"/v1/ask", "/v1/ask/stream", "/v1/chat/completions", "/v1/search", "/v1/documents"} <= set(spec["paths"])


def test_every_response_carries_the_security_headers(client: httpx.Client) -> None:
    for response in (client.get("/healthz"), client.get("/nowhere"), client.post("/v1/ask", json={})):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        assert response.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_another_site_cannot_use_a_server_without_keys(client: httpx.Client, headers: dict[str, str]) -> None:
    assert client.post("/v1/search", json={"query": "leave"}, headers=headers).status_code == 403
    files = {"file": ("x.md", b"planted")}
    assert client.post("/v1/documents", files=files, headers=headers).status_code == 403


def test_a_body_without_a_length_is_cut_off(client: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"question": "'
        for _ in range(40):
            yield b"x" * 65536
        yield b'"}'

    try:
        status = client.post("/v1/ask", content=endless(), headers={"Content-Type": "application/json"}).status_code
    except httpx.TransportError:
        return  # hung up on: as good
    assert status in (400, 413)
