"""Every route as every role: who gets in, and that nobody sees a document that is not theirs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from app.cli import run
from app.runtime import Runtime
from app.server import create_app
from core.db.grants import set_document_access
from core.db.models import Document
from core.types import Principal
from ingest.documents import list_documents, show_document
from tests.app.conftest import ROLES, Api

SEES = {
    "operator": {"leave.md", "travel.md", "safety.pdf", "devices.md", "salaries.md", "merger.md"},
    "ana": {"leave.md", "travel.md", "safety.pdf", "devices.md"},
    "hana": {"leave.md", "travel.md", "safety.pdf", "salaries.md"},
    "stranger": {"leave.md", "travel.md", "safety.pdf"},
}
SECRETS = {"devices.md": "ThinkPad", "salaries.md": "principal engineer", "merger.md": "Northwind"}
"""Words of each page that is not for everybody; digits alone also turn up in timings and digests."""
OPEN_ROUTES = {("GET", "/healthz"), ("GET", "/readyz")}
OPERATOR_ROUTES = {
    ("GET", "/metrics"),
    ("GET", "/v1/feedback"),
    ("GET", "/v1/audit"),
    ("GET", "/v1/audit/verify"),
    ("POST", "/v1/answers/{answer_id}/replay"),
    ("GET", "/v1/gaps"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("DELETE", "/v1/keys/{prefix}"),
    ("GET", "/v1/groups"),
    ("PUT", "/v1/groups/{group}/members/{user}"),
    ("DELETE", "/v1/groups/{group}/members/{user}"),
    ("GET", "/v1/collections/{name}/access"),
    ("PUT", "/v1/collections/{name}/access"),
    ("GET", "/v1/documents/{document_id}/access"),
    ("PUT", "/v1/documents/{document_id}/access"),
    ("GET", "/v1/quarantine"),
    ("POST", "/v1/quarantine/{document_id}/release"),
    ("POST", "/v1/quarantine/{document_id}/reject"),
    ("GET", "/v1/settings"),
    ("GET", "/v1/rails"),
}
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/v1/ask"): {"question": "Who decides about laptops, salary bands and Bluebird?"},
    ("POST", "/v1/ask/stream"): {"question": "Who decides about laptops, salary bands and Bluebird?"},
    ("POST", "/v1/chat/completions"): {"messages": [{"role": "user", "content": "Who gets which laptop?"}]},
    ("POST", "/v1/search"): {"query": "laptop salary band merger Bluebird", "k": 50},
    ("POST", "/v1/explain"): {"question": "Bluebird", "document_id": "{merger}"},
    ("POST", "/v1/feedback"): {"answer_id": "none", "rating": "up"},
    ("POST", "/v1/summarize"): {"collection": "default"},
    ("POST", "/v1/keys"): {"principal": "user:mallory"},
    ("PUT", "/v1/collections/{name}/access"): {"allow": ["public"]},
    ("PUT", "/v1/documents/{document_id}/access"): {"allow": ["public"]},
}
FILLED = {
    "{prefix}": "00000000",
    "{user}": "user:mallory",
    "{group}": "group:board",
    "{name}": "default",
    "{page}": "1",
    "{stream_id}": "none",
    "{answer_id}": "none",
    "{run_id}": "none",
    "{conversation_id}": "none",
}


def routes(api: Api) -> list[tuple[str, str]]:
    with api.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    return sorted((method.upper(), path) for path, methods in paths.items() for method in methods)


def call(api: Api, role: str | None, route: tuple[str, str], document: str) -> Any:
    method, path = route
    for hole, value in {**FILLED, "{document_id}": api.ids[document]}.items():
        path = path.replace(hole, value)
    body = json.loads(json.dumps(BODIES.get(route)).replace("{merger}", api.ids["merger.md"]))
    files = {"file": ("own.md", b"# Own\n\nA page of my own.\n")} if route == ("POST", "/v1/documents") else None
    with api.client(role) as client:
        return client.request(method, path, json=body, files=files)


def test_the_matrix_covers_the_routes(keyed_api: Api) -> None:
    known = {*OPEN_ROUTES, *OPERATOR_ROUTES}
    assert known <= set(routes(keyed_api)), "a route named here is gone"


def test_nobody_gets_in_without_a_key(keyed_api: Api) -> None:
    for route in routes(keyed_api):
        response = call(keyed_api, None, route, "leave.md")
        expected = 200 if route in OPEN_ROUTES else 401
        assert response.status_code == expected, route
        if expected == 401:
            assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("role", ["ana", "hana", "stranger"])
def test_the_operators_routes_are_the_operators(keyed_api: Api, role: str) -> None:
    for route in sorted(OPERATOR_ROUTES):
        assert call(keyed_api, role, route, "merger.md").status_code == 403, route


@pytest.mark.parametrize("role", ROLES)
def test_no_route_shows_a_document_that_is_not_theirs(keyed_api: Api, role: str) -> None:
    hidden = set(SECRETS) - SEES[role]
    for route in routes(keyed_api):
        if route in OPERATOR_ROUTES | OPEN_ROUTES or (route[0] == "DELETE" and role == "operator"):
            continue
        for document in sorted(SECRETS) if "{document_id}" in route[1] else ["leave.md"]:
            response = call(keyed_api, role, route, document)
            if document in hidden and "{document_id}" in route[1]:
                assert response.status_code == 404, (route, document)
            for name in hidden:
                assert SECRETS[name].encode() not in response.content, (route, name)
                if document != name and route != ("POST", "/v1/explain"):
                    assert keyed_api.ids[name].encode() not in response.content, (route, name)


@pytest.mark.parametrize("role", ROLES)
def test_lists_hold_exactly_what_the_role_may_read(keyed_api: Api, role: str) -> None:
    with keyed_api.client(role) as client:
        listed = {row["id"] for row in client.get("/v1/documents").json()["documents"]}
    names = {name for name, document_id in keyed_api.ids.items() if document_id in listed}
    assert names == SEES[role]


def test_only_the_operator_deletes_what_others_read(keyed_api: Api) -> None:
    for role in ("ana", "hana", "stranger"):
        assert call(keyed_api, role, ("DELETE", "/v1/documents/{document_id}"), "leave.md").status_code == 403


def test_an_answer_and_its_stream_and_its_conversation_are_its_askers(keyed_api: Api) -> None:
    body = {"question": "What is the salary band of a principal engineer?", "conversation_id": "hanas-own"}
    with keyed_api.client("hana") as hana, keyed_api.client("ana") as ana, keyed_api.client("operator") as operator:
        answer = hana.post("/v1/ask", json=body).json()
        stream_id = hana.post("/v1/ask/stream", json=body).headers["x-attest-stream"]
        assert hana.get("/v1/conversations/hanas-own").status_code == 200
        for other in (ana, operator):
            assert other.get("/v1/conversations/hanas-own").status_code == 404
            assert other.get("/v1/conversations").json()["conversations"] == []
            assert other.get("/v1/conversations/hanas-own/export").status_code == 404
            assert other.delete("/v1/conversations/hanas-own").status_code == 404
            assert other.post("/v1/ask", json=body).status_code == 404
            assert other.get(f"/v1/ask/stream/{stream_id}").status_code == 404
            assert other.delete(f"/v1/ask/stream/{stream_id}").status_code == 404
        assert ana.post("/v1/feedback", json={"answer_id": answer["id"], "rating": "up"}).status_code == 404
        assert hana.post("/v1/feedback", json={"answer_id": answer["id"], "rating": "up"}).status_code == 201


def test_an_upload_is_its_uploaders_alone(keyed_api: Api) -> None:
    page = b"# Hobby\n\nMy model railway runs on Tuesdays.\n"
    with keyed_api.client("ana") as ana, keyed_api.client("hana") as hana:
        assert (
            ana.post("/v1/documents", files={"file": ("h.md", page)}, data={"collection": "default"}).status_code == 422
        )
        granted = ana.post("/v1/documents", files={"file": ("h.md", page)}, data={"allow": "group:hr"})
        assert granted.status_code == 422, "ana is not of that group"
        run_id = ana.post("/v1/documents", files={"file": ("h.md", page)}).json()["run_id"]
        while (run := ana.get(f"/v1/runs/{run_id}").json())["state"] in ("queued", "running"):
            pass
        assert run["added"] + run["unchanged"] == 1
        assert hana.get(f"/v1/runs/{run_id}").status_code == 404
        search = {"query": "model railway", "min_seq": run["seq"]}
        assert "railway" in ana.post("/v1/search", json=search).text
        assert "Tuesdays" not in hana.post("/v1/search", json=search).text
        mine = [row for row in ana.get("/v1/documents").json()["documents"] if row["collection"] == "user:ana"]
        assert [row["source"] for row in mine if "h.md" in row["source"]] == ["uploads/user:ana/h.md"]
        for row in mine:
            assert ana.delete(f"/v1/documents/{row['id']}").status_code == 200


def test_what_is_taken_away_is_gone_at_once_from_old_conversations_too(keyed_api: Api) -> None:
    devices = keyed_api.ids["devices.md"]
    question = {"question": "Who decides whether a person gets a MacBook or a ThinkPad?", "conversation_id": "anas"}
    with keyed_api.client("ana") as ana, keyed_api.client("operator") as operator:
        assert "facilities" in ana.post("/v1/ask", json=question).json()["text"]
        assert "ThinkPad" in ana.get("/v1/conversations/anas").text
        assert operator.put(f"/v1/documents/{devices}/access", json={"allow": []}).status_code == 200
        try:
            shown = ana.get("/v1/conversations/anas").json()["turns"][0]["answer"]
            assert shown["reason"] == "withheld"
            assert shown["citations"] == []
            assert "facilities" not in json.dumps(shown)
            assert ana.get("/v1/conversations", params={"q": "facilities"}).json()["conversations"] == []
            assert "facilities" not in ana.post("/v1/search", json={"query": "ThinkPad"}).text
        finally:
            operator.put(f"/v1/documents/{devices}/access", json={"allow": ["group:staff"]})
        assert "facilities" in ana.get("/v1/conversations/anas").text


def test_a_revoked_key_is_refused_at_once(keyed_api: Api) -> None:
    with keyed_api.client("operator") as operator:
        made = operator.post("/v1/keys", json={"principal": "user:temp"}).json()
        asking = {"Authorization": f"Bearer {made['key']}"}
        with keyed_api.client() as temp:
            assert temp.get("/v1/documents", headers=asking).status_code == 200
            assert operator.delete(f"/v1/keys/{made['prefix']}").status_code == 204
            assert temp.get("/v1/documents", headers=asking).status_code == 401


def test_a_list_says_nothing_of_a_twin_that_cannot_be_read(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        original, copy = session.scalars(select(Document).order_by(Document.key).limit(2))
        copy.duplicate_of = original.key
        set_document_access(session, original.id, ["user:hana"])
        set_document_access(session, copy.id, ["user:ana", "user:hana"])
    for name, told in (("user:ana", False), ("user:hana", True)):
        listed = {row["id"]: row for row in list_documents(runtime.database, Principal(name))}
        assert listed[copy.id]["duplicate"] is told
        assert show_document(runtime.database, copy.id, Principal(name))["duplicate"] is told


def test_a_collections_list_says_how_many_documents_it_does_not_reach(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with runtime.database.read() as session:
        own = session.scalar(select(func.count()).select_from(Document).where(Document.own_access))
    assert own
    client = TestClient(create_app(runtime.settings, runtime), base_url="http://127.0.0.1")
    told = client.put("/v1/collections/default/access", json={"allow": ["public"]}).json()
    assert told == {"collection": "default", "allow": ["public"], "own_lists": own}
    assert client.get("/v1/collections/default/access").json() == told
    monkeypatch.setenv("ATTEST_HOME", str(runtime.settings.home))
    assert run(["access", "revoke", "public", "--collection", "default"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "default: the operator alone",
        f"documents with lists of their own, which this one does not change: {own}",
    ]
    assert run(["access", "show", "--collection", "default", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["own_lists"] == own
