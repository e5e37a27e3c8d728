"""Access that changes while an answer is made: no word of a document leaves afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from app.api import answers, record
from app.events import CitationReleased, ClaimReleased, Concluded, Event, StageDone
from app.keys import NewKey, create_key, revoke_key
from app.runtime import Runtime
from app.server import create_app
from core.db.grants import set_document_access
from core.types import Question
from tests.conftest import KnowledgeBase

CLAIM, CITATION = answers.EXAMPLE.claims[0], answers.EXAMPLE.citations[0]
TEXT = answers.EXAMPLE.text


@pytest.fixture
def key(runtime: Runtime) -> NewKey:
    with runtime.database.write() as session:
        return create_key(session, "user:ana")


@pytest.fixture
def document(runtime: Runtime, own_knowledge_base: KnowledgeBase) -> str:
    found = next(iter(own_knowledge_base.ids.values()))
    with runtime.database.write() as session:
        set_document_access(session, found, ["user:ana"])
    return found


@pytest.fixture
def client(runtime: Runtime, key: NewKey) -> TestClient:
    headers = {"Authorization": f"Bearer {key.token}"}
    return TestClient(create_app(runtime.settings, runtime), headers=headers, raise_server_exceptions=False)


@pytest.fixture(params=["the key", "the document", "nothing"])
def taken(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def taking(runtime: Runtime, key: NewKey, document: str, taken: str) -> Callable[[], None]:
    """Take away the key, or the document, or nothing."""

    def take() -> None:
        with runtime.database.write() as session:
            if taken == "the key":
                revoke_key(session, key.prefix)
            elif taken == "the document":
                set_document_access(session, document, ["user:hana"])

    return take


@pytest.fixture(autouse=True)
def answering(monkeypatch: pytest.MonkeyPatch, document: str, taking: Callable[[], None]) -> None:
    """Answer from the document, access to which changes before its words are told."""
    citation = replace(CITATION, document_id=document)
    answer = replace(answers.EXAMPLE, citations=(citation,))

    def events(_runtime: Runtime, _question: Question, **_: object) -> Iterator[Event]:
        yield StageDone("retrieve", 1.0)
        taking()
        yield CitationReleased(citation)
        yield ClaimReleased(CLAIM, TEXT)
        yield Concluded(answer)

    def whole(*_: object, **__: object) -> object:
        taking()
        return answer

    monkeypatch.setattr(answers, "ask_events", events)
    monkeypatch.setattr(answers, "ask", whole)
    monkeypatch.setattr(record, "summarize", whole)


STATUS = {"the key": 401, "the document": 404}
WORDS = "240 hours"


def test_a_stream_ends_with_an_error(client: TestClient, taken: str) -> None:
    told = client.post("/v1/ask/stream", json={"question": "May I?"}).text
    names = [line.removeprefix("event: ") for line in told.splitlines() if line.startswith("event: ")]
    if taken == "nothing":
        assert names == ["stage", "citation", "claim", "answer"]
        return
    assert names == ["stage", "error"]
    assert f'"status": {STATUS[taken]}' in told
    assert WORDS not in told


def test_a_stream_of_chunks_ends_with_an_error(client: TestClient, taken: str) -> None:
    asked = {"messages": [{"role": "user", "content": "May I?"}], "stream": True}
    told = client.post("/v1/chat/completions", json=asked).text
    assert told.endswith("data: [DONE]\n\n")
    if taken == "nothing":
        assert WORDS in told
        return
    assert f'"code": {STATUS[taken]}' in told
    assert WORDS not in told


WHOLE: dict[str, dict[str, object]] = {
    "/v1/ask": {"question": "May I?"},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "May I?"}]},
    "/v1/summarize": {"collection": "default"},
}


@pytest.mark.parametrize("path", WHOLE)
def test_a_whole_answer_is_not_told(client: TestClient, taken: str, path: str) -> None:
    response = client.post(path, json=WHOLE[path])
    assert response.status_code == STATUS.get(taken, 200)
    assert (WORDS in response.text) == (taken == "nothing")
