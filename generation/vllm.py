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

from core.errors import GenerationError, GeneratorTimeout, GeneratorUnavailable
from core.settings import GenerationSettings
from core.types import Evidence, GeneratorName, Message
from generation.chat import chat_messages
from generation.completions import pool, stream_chat

BACKOFF_S = 0.2


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
        body = {
            "model": self.model,
            "messages": messages,
            "max_tokens": max_tokens,
            "temperature": self._settings.temperature,
            "cache_salt": salt,
        }
        return stream_chat(url, body, _key(self._settings), timeout_s)


def _served_model(settings: GenerationSettings) -> str:
    import httpx

    failure: Exception | None = None
    for url in settings.vllm_urls:
        try:
            reply = pool().get(
                f"{url.rstrip('/')}/models", headers={"Authorization": f"Bearer {_key(settings)}"}, timeout=5.0
            )
            reply.raise_for_status()
            return str(reply.json()["data"][0]["id"])
        except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
            failure = error
    raise GeneratorUnavailable(f"no model server at {', '.join(settings.vllm_urls)} lists its model") from failure


def _key(settings: GenerationSettings) -> str:
    return settings.vllm_api_key.get_secret_value() if settings.vllm_api_key else "none"


def _salt(evidence: Sequence[Evidence]) -> str:
    """Return the cache salt of a tenant: those who read the same collections share a cache, nobody else."""
    tenant = "\x00".join(sorted({item.hit.collection for item in evidence}))
    return hashlib.sha256(f"attest\x00{tenant}".encode()).hexdigest()[:32]


@cache
def load_vllm(settings: GenerationSettings) -> VllmGenerator:
    """Return the process-wide client of these settings; replicas take turns across requests."""
    return VllmGenerator(settings)
