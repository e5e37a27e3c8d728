"""A tuned task is asked for by name: one that is not there is refused, whoever drafts."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient

from app.ask import ask
from app.cli import run
from app.runtime import Runtime
from app.server import create_app
from core.errors import InvalidInput
from core.types import OPERATOR, GeneratorChoice, Question, Style

QUESTION = "How many hours of annual leave may full-time staff carry over?"


@pytest.mark.parametrize("generator", ["auto", "quote", "embedded"])
def test_an_unknown_task_is_refused_whoever_drafts(runtime: Runtime, generator: GeneratorChoice) -> None:
    with pytest.raises(InvalidInput, match="no tuned task 'nope'"):
        ask(runtime, Question(QUESTION, OPERATOR, generator=generator, style=Style(task="nope")))


@pytest.mark.parametrize("task", ["none", "auto", "answer", "voice"])
def test_a_task_that_is_here_or_that_the_settings_name_is_taken(runtime: Runtime, task: str) -> None:
    generation = runtime.settings.generation.model_copy(update={"collection_tasks": {"legal": "voice"}})
    runtime.settings = runtime.settings.model_copy(update={"generation": generation})
    assert ask(runtime, Question(QUESTION, OPERATOR, generator="quote", style=Style(task=task))).outcome == "answered"


def test_the_edges_say_which_task_is_unknown(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    client = TestClient(create_app(runtime.settings, runtime), base_url="http://127.0.0.1")
    body = {"question": QUESTION, "style": {"task": "nope"}}
    response = client.post("/v1/ask", json=body)
    assert (response.status_code, response.json()["type"]) == (422, "urn:attest:InvalidInput")
    stream = client.post("/v1/ask/stream", json=body).text
    told = json.loads(stream.rpartition("event: error\ndata: ")[2])
    assert told["status"] == 422
    monkeypatch.setenv("ATTEST_HOME", str(runtime.settings.home))
    assert run(["ask", QUESTION, "--task", "nope"]) == 2
