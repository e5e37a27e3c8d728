"""Drafts over a vLLM server's OpenAI-compatible endpoint: replicas, deadlines, retries, cancellation.

A draft is retried on another replica only before its first piece: text once shown is never started again.
`cache_salt` keeps the prefix caches of tenants apart, so that nobody can learn from timing what others asked.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from pydantic import SecretStr

from core.errors import ContextTooLong, GenerationError, GeneratorTimeout, GeneratorUnavailable, InvalidInput
from core.settings import GenerationSettings
from core.types import Evidence, GeneratorName, Message
from generation.chat import chat_messages

BACKOFF_S = 0.2
_TOO_LONG = ("context length", "maximum context", "max_model_len", "too long", "input length")


class VllmGenerator:
    """Drafts with the model of one or several vLLM servers."""

    name: GeneratorName = "vllm"

    def __init__(self, settings: GenerationSettings) -> None:
        self._settings = settings
        self._turn = itertools.count()
        self._model = settings.vllm_model

    @property
    def model(self) -> str:
        """The served model; where settings name none, the first that a replica lists."""
        if self._model is None:
            self._model = _served_model(self._settings)
        return self._model

    def draft(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> Iterator[str]:
        """Yield the draft as it streams.

        Raises:
            GeneratorUnavailable: no replica could be reached, or each failed.
            GeneratorTimeout: no replica answered within the deadline.
            ContextTooLong: question and evidence exceed the model's window.
        """
        messages = chat_messages(question, evidence, history)
        yield from self._stream(messages, self._settings.max_tokens, _salt(evidence))

    def complete(self, instruction: str, max_tokens: int) -> str:
        """Return the model's reply to one instruction."""
        messages = [{"role": "user", "content": instruction}]
        return "".join(self._stream(messages, max_tokens, _salt(()))).strip()

    def _stream(self, messages: list[dict[str, str]], max_tokens: int, salt: str) -> Iterator[str]:
        deadline = time.monotonic() + self._settings.timeout_s
        failure: GenerationError | None = None
        for attempt, url in enumerate(self._replicas()):
            if attempt:
                time.sleep(min(BACKOFF_S * 2 ** (attempt - 1), max(0.0, deadline - time.monotonic())))
            left = deadline - time.monotonic()
            if left <= 0:
                break
            started = False
            try:
                for piece in self._request(url, messages, max_tokens, salt, left):
                    started = True
                    yield piece
                    if time.monotonic() > deadline:
                        raise GeneratorTimeout(f"{url} was still writing after {self._settings.timeout_s:g} s")
                return
            except (GeneratorUnavailable, GeneratorTimeout) as error:
                if started:
                    raise
                failure = error
        raise failure or GeneratorTimeout(f"no model server answered within {self._settings.timeout_s:g} s")

    def _replicas(self) -> list[str]:
        """Return the servers to try in order: each in its turn first, then the others, as often as retries allow."""
        urls = self._settings.vllm_urls
        first = next(self._turn) % len(urls)
        attempts = max(self._settings.retries + 1, 1)
        return [urls[(first + step) % len(urls)] for step in range(attempts)]

    def _request(
        self, url: str, messages: list[dict[str, str]], max_tokens: int, salt: str, timeout_s: float
    ) -> Iterator[str]:
        import httpx
        import openai

        try:
            client = _client(self._settings, url, self.model)
            stream = client.bind(max_tokens=max_tokens, timeout=timeout_s, extra_body={"cache_salt": salt}).stream(
                messages
            )
            try:
                for chunk in stream:
                    if chunk.text:
                        yield chunk.text
            finally:
                close = getattr(stream, "close", None)
                if close is not None:  # closing the response makes the server drop the request
                    close()
        except (openai.OpenAIError, httpx.HTTPError) as error:
            raise _translated(error, url) from error


@cache
def _client(settings: GenerationSettings, url: str, model: str) -> Any:
    from langchain_openai import ChatOpenAI

    key = settings.vllm_api_key or SecretStr("none")
    return ChatOpenAI(
        base_url=url,
        api_key=key,
        model=model,
        temperature=settings.temperature,
        max_retries=0,
        timeout=settings.timeout_s,
    )


def _served_model(settings: GenerationSettings) -> str:
    import httpx

    key = settings.vllm_api_key.get_secret_value() if settings.vllm_api_key else "none"
    failure: Exception | None = None
    for url in settings.vllm_urls:
        try:
            reply = httpx.get(f"{url.rstrip('/')}/models", headers={"Authorization": f"Bearer {key}"}, timeout=5.0)
            reply.raise_for_status()
            return str(reply.json()["data"][0]["id"])
        except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
            failure = error
    raise GeneratorUnavailable(f"no model server at {', '.join(settings.vllm_urls)} lists its model") from failure


def _translated(error: Exception, url: str) -> GenerationError | InvalidInput:
    """Return our error for one of the client's."""
    import httpx
    import openai

    if isinstance(error, openai.APITimeoutError | httpx.TimeoutException):
        return GeneratorTimeout(f"{url} did not answer in time")
    if isinstance(error, openai.APIStatusError) and error.status_code in (400, 413, 422):
        message = str(error).lower()
        if any(sign in message for sign in _TOO_LONG):
            return ContextTooLong("question and passages exceed the model's window; lower retrieval.k")
        return GenerationError(f"{url} refused the request with status {error.status_code}")
    if isinstance(error, openai.APIStatusError):
        return GeneratorUnavailable(f"{url} answered with status {error.status_code}")
    return GeneratorUnavailable(f"{url} cannot be reached")


def _salt(evidence: Sequence[Evidence]) -> str:
    """Return the cache salt of a tenant: those who read the same collections share a cache, nobody else."""
    tenant = "\x00".join(sorted({item.hit.collection for item in evidence}))
    return hashlib.sha256(f"attest\x00{tenant}".encode()).hexdigest()[:32]


@cache
def load_vllm(settings: GenerationSettings) -> VllmGenerator:
    """Return the process-wide client of these settings; replicas take turns across requests."""
    return VllmGenerator(settings)
