"""The OpenAI-compatible way in, driven by the stock client."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.app import shapes
from tests.app.conftest import Api
from tests.app.shapes import require_shape

ASKED = [{"role": "user", "content": "How many hours of annual leave may full-time staff carry over?"}]


@pytest.fixture
def stock(api: Api) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0, http_client=quiet()) as client:
        yield client


def quiet() -> httpx.Client:
    return httpx.Client(trust_env=False)


def test_a_completion_has_footnotes_and_the_answer_beside_it(stock: openai.OpenAI) -> None:
    done = stock.chat.completions.create(model="attest", messages=ASKED)
    answer = done.model_extra["attest"]
    require_shape(answer, shapes.ANSWER)
    content = done.choices[0].message.content
    assert content.startswith(answer["text"])
    for citation in answer["citations"]:
        assert f"[{citation['marker']}] {citation['title']} ({citation['source']}" in content
        assert " ".join(citation["quote"].split()) in content
    assert done.choices[0].finish_reason == "stop"


def test_a_stream_says_the_same_claim_by_claim(stock: openai.OpenAI) -> None:
    whole = stock.chat.completions.create(model="attest", messages=ASKED).choices[0].message.content
    chunks = list(stock.chat.completions.create(model="attest", messages=ASKED, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
    assert chunks[-1].choices[0].finish_reason == "stop"
    answer = chunks[-1].model_extra["attest"]
    require_shape(answer, shapes.ANSWER)
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert len(pieces) == len(answer["claims"]) + 1  # the footnotes come last


def test_a_refusal_is_said_in_words(stock: openai.OpenAI) -> None:
    asked = [{"role": "user", "content": "Which colour is the moon base painted in?"}]
    done = stock.chat.completions.create(model="attest", messages=asked)
    assert done.model_extra["attest"]["outcome"] == "refused"
    assert done.choices[0].message.content == done.model_extra["attest"]["text"]
    chunks = list(stock.chat.completions.create(model="attest", messages=asked, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == done.choices[0].message.content


def test_earlier_messages_are_the_conversation(stock: openai.OpenAI) -> None:
    messages = [
        *ASKED,
        {"role": "assistant", "content": "At most 240 hours of annual leave. [1]"},
        {"role": "user", "content": "And what happens to hours above that?"},
    ]
    answer = stock.chat.completions.create(model="attest", messages=messages).model_extra["attest"]
    assert "leave" in answer["query"]
    assert answer["query"] != messages[-1]["content"]


def test_the_model_names_choose_the_generator(stock: openai.OpenAI) -> None:
    names = [model.id for model in stock.models.list()]
    assert {"attest", "attest-quote"} <= set(names)
    done = stock.chat.completions.create(model="attest-quote", messages=ASKED)
    assert done.model_extra["attest"]["generator"] == "quote"


def test_a_request_without_a_question_is_refused(stock: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError):
        stock.chat.completions.create(model="attest", messages=[{"role": "system", "content": "Be brief."}])


def test_a_wrong_key_is_refused(keyed_api: Api) -> None:
    with (
        openai.OpenAI(base_url=f"{keyed_api.url}/v1", api_key="x", max_retries=0, http_client=quiet()) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.chat.completions.create(model="attest", messages=ASKED)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"n": 2}, "n must be 1"),
        ({"response_format": {"type": "json_object"}}, "answers are text"),
        ({"tool_choice": "required"}, "tools are never called"),
        ({"messages": [*ASKED, {"role": "tool", "tool_call_id": "1", "content": "240"}]}, "the last message"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "image_url"),
        ({"messages": [{"role": "user", "content": ""}]}, "the last message holds no text"),
        ({"messages": []}, "messages: must have at least 1 item$"),
    ],
)
def test_what_a_client_could_not_do_without_is_refused(stock: openai.OpenAI, option: dict, told: str) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match=told):
        stock.chat.completions.create(**{"model": "attest", "messages": ASKED, **option})


def test_options_that_change_nothing_are_accepted(stock: openai.OpenAI) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    done = stock.chat.completions.create(
        model="attest", messages=ASKED, n=1, temperature=0.3, tools=[tool], tool_choice="auto"
    )
    assert done.choices[0].finish_reason == "stop"


def test_an_answer_that_is_sent_back_counts_without_its_footnotes(stock: openai.OpenAI) -> None:
    first = stock.chat.completions.create(model="attest", messages=ASKED).choices[0].message.content
    assert "“" in first
    messages = [*ASKED, {"role": "assistant", "content": first}, {"role": "user", "content": "And above that?"}]
    query = stock.chat.completions.create(model="attest", messages=messages).model_extra["attest"]["query"]
    assert "leave" in query
    assert "md" not in query.split()


def test_a_route_of_openai_that_is_not_there_is_told_in_words(stock: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="there is nothing at /v1/embeddings"):
        stock.embeddings.create(model="attest", input="leave")
