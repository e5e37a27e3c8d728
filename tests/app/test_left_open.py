"""A question with several parts of which the documents answer some: these are answered, and the others are told."""

from __future__ import annotations

import pytest

from app.ask import ask
from app.ask_cli import answer_text
from app.conversations import as_markdown
from app.footnotes import left_open
from app.runtime import Runtime
from app.steps import select, weigh
from app.trace import Trace
from core.types import OPERATOR, Answer, Query, Question
from models.second_reader import has_second_reader
from tests.app.conftest import Api

pytestmark = pytest.mark.skipif(not has_second_reader(), reason="the second reader's weights are missing")
PART = "who won the world cup in 1974"
BOTH = f"How many hours of annual leave may full-time staff carry over and {PART}?"


@pytest.fixture
def answer(runtime: Runtime) -> Answer:
    return ask(runtime, Question(BOTH, OPERATOR, generator="quote"))


def test_what_is_answered_is_told_with_what_is_left_open(answer: Answer) -> None:
    assert answer.outcome == "answered"
    assert answer.claims
    assert answer.unanswered == (f"{PART}?",)
    assert "leave" in answer.text
    assert f"do not answer: “{PART}?”" in answer_text(answer)
    assert answer.to_json()["unanswered"] == (f"{PART}?",)


def test_a_question_of_which_no_part_is_answered_is_refused_whole(runtime: Runtime) -> None:
    refused = ask(runtime, Question(f"Who painted the ceiling and {PART}?", OPERATOR, generator="quote"))
    assert (refused.outcome, refused.unanswered) == ("refused", ())


def test_an_export_tells_it_too(answer: Answer) -> None:
    turn = {"question": BOTH, "answer": answer.to_json()}
    assert f"do not answer: “{PART}?”" in as_markdown({"title": "Leave", "turns": [turn]})
    earlier = {name: value for name, value in answer.to_json().items() if name != "unanswered"}
    assert PART not in as_markdown({"title": "Leave", "turns": [{"question": "?", "answer": earlier}]})


def test_a_model_server_is_asked_for_no_more_than_is_answered(runtime: Runtime) -> None:
    trace = Trace(Question(BOTH, OPERATOR))
    retrieval = runtime.retriever.retrieve(Query(BOTH), OPERATOR)
    select(runtime, trace, retrieval)
    assert weigh(runtime, trace) is None
    assert PART not in trace.asked_of("vllm")


def test_it_is_said_in_the_language_of_the_question() -> None:
    assert "beantworten" in left_open("Wie viele Tage Urlaub habe ich und wer ist Kanzler?", ["wer ist Kanzler?"])
    assert left_open("How many days?", ()) == ""


def test_clients_of_openais_protocol_read_it_before_the_footnotes(api: Api) -> None:
    body = {"model": "attest-quote", "messages": [{"role": "user", "content": BOTH}]}
    with api.client() as client:
        whole = client.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"]
        streamed = client.post("/v1/chat/completions", json=body | {"stream": True}).text
    before, _, notes = whole.partition("do not answer")
    assert "[1]" in before
    assert PART in notes.partition("[1]")[0]
    assert "do not answer" in streamed
