"""What the server counts and tells of itself, and how a fault is found again in its log."""

from __future__ import annotations

import io
import json
import logging
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.runtime import Runtime
from app.server import create_app
from app.upload_request import upload_request
from core.types import OPERATOR


def gauge(text: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found, f"{name} is not told"
    return float(found[1])


@pytest.fixture
def client(runtime: Runtime) -> TestClient:
    app = create_app(runtime.settings, runtime)
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


def test_the_state_of_the_server_is_told_before_any_answer(client: TestClient, runtime: Runtime) -> None:
    text = client.get("/metrics").text
    assert (gauge(text, "attest_ready"), gauge(text, "attest_index_seq")) == (0, 0)
    runtime.retriever.sync()
    uploads = client.app.state.uploads  # type: ignore[attr-defined]
    uploads._start = lambda: None  # nobody ingests
    uploads.accept(upload_request(OPERATOR, None, None, ["a.md"]), [io.BytesIO(b"# A\n\nWords.\n")])
    text = client.get("/metrics").text
    assert gauge(text, "attest_index_seq") == runtime.retriever.seq > 0
    assert gauge(text, "attest_uploads_waiting") == 1
    assert gauge(text, "process_resident_memory_bytes") > 1e6


def test_a_fault_is_counted_and_found_again_in_the_log(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr("app.api.documents.list_documents", broken)
    with caplog.at_level(logging.ERROR, "app.problems"):
        told = client.get("/v1/documents").json()
    assert (told["status"], told["type"]) == (500, "urn:attest:Unexpected")
    assert "secret" not in json.dumps(told)
    assert told["request_id"] in told["detail"]
    assert told["request_id"] in caplog.text
    assert "GET /v1/documents" in caplog.text
    assert 'attest_requests_total{method="GET",route="/v1/documents",status="500"} 1.0' in client.get("/metrics").text
