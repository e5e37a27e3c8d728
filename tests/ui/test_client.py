"""The client of the pages says what went wrong as it is: a key that cannot be one, a refusal, silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ui.api_error import ApiError
from ui.client import Client, SearchRequest

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler, key: str | None = None) -> Client:
    return Client("http://api.example", key, transport=httpx.MockTransport(handler))


def test_a_key_goes_along_with_each_request() -> None:
    seen: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization"))
        return httpx.Response(200, json={"collections": ["a"]})

    for key in ("attest_1_x", "", None):
        with client(handler, key) as api:
            assert api.collections() == ("a",)
    assert seen == ["Bearer attest_1_x", None, None]


@pytest.mark.parametrize("key", ["clé", "ключ", "a\tb", "a b", "a\nb"])
def test_a_key_that_no_header_carries_is_not_valid(key: str) -> None:
    with (
        client(lambda _: httpx.Response(200, json={}), key) as api,
        pytest.raises(ApiError, match="key is not valid") as refused,
    ):
        api.me()
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectError, "cannot be reached"),
        (httpx.RemoteProtocolError, "cannot be reached"),
        (httpx.ReadTimeout, "too long"),
        (httpx.LocalProtocolError, "did not understand"),
        (httpx.DecodingError, "did not understand"),
    ],
)
def test_only_an_api_that_does_not_answer_is_said_not_to(error: type[httpx.RequestError], words: str) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error("it went wrong", request=request)

    with client(handler) as api, pytest.raises(ApiError, match=words):
        api.me()


def test_a_field_that_is_wrong_is_named_without_its_place_in_the_request() -> None:
    wrong = [{"at": "body.query", "message": "must hold a word"}]
    problem = {"detail": "body.query: must hold a word", "errors": wrong}
    with client(lambda _: httpx.Response(422, json=problem)) as api, pytest.raises(ApiError) as refused:
        api.me()
    assert str(refused.value) == "The query must hold a word"


def test_a_document_is_traced_as_it_was_searched_for() -> None:
    bodies: list[dict[str, Any]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json={"stage": "returned"})

    with client(handler) as api:
        api.explain(SearchRequest("Which?", k=50, mode="lexical", collection="legal"), "d1")
        api.explain(SearchRequest("Which?"), "d1")
    assert bodies == [
        {"question": "Which?", "document_id": "d1", "k": 50, "mode": "lexical", "collection": "legal"},
        {"question": "Which?", "document_id": "d1", "k": 10, "mode": "hybrid"},
    ]
