"""Drafts over a vLLM server's OpenAI-compatible endpoint: replicas, deadlines, retries, cancellation.

A draft is retried on another replica only before its first piece: text once shown is never started again.
`cache_salt` keeps the prefix caches of tenants apart, so that nobody can learn from timing what others asked.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import GenerationError, GeneratorTimeout, GeneratorUnavailable
from core.settings import GenerationSettings, Settings
from core.types import Evidence, GeneratorName, Message
from generation.completions import stream_chat
from generation.connections import answered, failed
from generation.prompter import Prompter, make_prompter
from generation.structure import citing_regex
from generation.tasks import ServedTask, served_task
from generation.tokenizing import TokenCounter

BACKOFF_S = 0.2
SILENT_S = 10.0
"""How long a replica that was silent is asked only after the others: it may be starting, or gone."""
LISTING_S = 5.0
"""How long a server may take to say which models it has."""
NO_MODEL = "lists no model"


class VllmGenerator:
    """Drafts with the model of one or several vLLM servers."""

    name: GeneratorName = "vllm"

    def __init__(
        self, settings: GenerationSettings, home: Path | None = None, prompter: Prompter | None = None
    ) -> None:
        self._settings = settings
        self._home = home
        self._prompter = prompter or Prompter(settings)
        self._listed: tuple[str, ...] = ()
        self._turn = itertools.count()
        self._silent_until: dict[str, float] = {}
        self._model = settings.vllm_model
        self.count_tokens = TokenCounter(settings)
        """How many tokens a text has, as the served model counts."""

    @property
    def model(self) -> str:
        """The served model; where settings name none, the first that a replica lists."""
        if self._model is None:
            self._model = self._models()[0]
        return self._model

    def _models(self) -> tuple[str, ...]:
        """The names that a replica lists: the model, and each adapter it was started with."""
        if not self._listed:
            self._listed = _served_models(self._settings)
        return self._listed

    def draft(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> Iterator[str]:
        """Yield the draft as it streams.

        Raises:
            GeneratorUnavailable: no replica could be reached, or each failed.
            GeneratorTimeout: no replica answered within the deadline.
            ContextTooLong: question and evidence exceed the model's window.
        """
        task = served_task(self._settings, evidence, self._home)
        messages = self._prompter.messages(task.prompt if task else None, question, evidence, history)
        yield from self._stream(self._body(messages, self._settings.max_tokens, evidence, task))

    def complete(self, instruction: str, max_tokens: int) -> str:
        """Return the model's reply to one instruction."""
        messages = [{"role": "user", "content": instruction}]
        return "".join(self._stream(self._body(messages, max_tokens, (), None))).strip()

    def _body(
        self, messages: list[dict[str, str]], max_tokens: int, evidence: Sequence[Evidence], task: ServedTask | None
    ) -> dict[str, Any]:
        """Return the request; a task is an adapter that the server lists, or tokens baked into its checkpoint."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "max_tokens": max_tokens,
            "temperature": self._settings.temperature,
            "cache_salt": _salt(evidence),
        }
        if evidence and self._settings.citations_by == "grammar":
            body["structured_outputs"] = {"regex": citing_regex(item.marker for item in evidence)}
        if task and task.name in self._models():
            body["model"] = task.name
        elif task:
            body["chat_template_kwargs"] = {"task": task.name}
        return body

    def _stream(self, body: Mapping[str, Any]) -> Iterator[str]:
        deadline = time.monotonic() + self._settings.timeout_s
        failure: GenerationError | None = None
        replicas = self._replicas()
        several = len(set(replicas)) > 1
        for attempt, url in enumerate(replicas):
            if attempt:
                time.sleep(min(BACKOFF_S * 2 ** (attempt - 1), max(0.0, deadline - time.monotonic())))
            left = deadline - time.monotonic()
            if left <= 0:
                break
            started = False
            try:
                first_s = left / (len(replicas) - attempt) if several else None  # so that others have their turn
                for piece in stream_chat(url, body, _key(self._settings), left, first_s=first_s):
                    started = True
                    yield piece
                    if time.monotonic() > deadline:
                        raise failed(GeneratorTimeout, url, f"was still writing after {self._settings.timeout_s:g} s")
                return
            except (GeneratorUnavailable, GeneratorTimeout) as error:
                if started:
                    raise
                if isinstance(error, GeneratorTimeout):
                    self._silent_until[url] = time.monotonic() + SILENT_S
                failure = error
        raise failure or GeneratorTimeout(f"no model server answered within {self._settings.timeout_s:g} s")

    def _replicas(self) -> list[str]:
        """Return the servers to try in order: each in its turn first, then the others, as often as retries allow.

        Those that were silent a moment ago come last.
        """
        urls, now = self._settings.vllm_urls, time.monotonic()
        first = next(self._turn) % len(urls)
        turns = sorted(urls[first:] + urls[:first], key=lambda url: self._silent_until.get(url, 0.0) > now)
        return list(itertools.islice(itertools.cycle(turns), self._settings.retries + 1))


def _served_models(settings: GenerationSettings) -> tuple[str, ...]:
    failure: GenerationError | None = None
    for url in settings.vllm_urls:
        try:
            with answered("GET", f"{url.rstrip('/')}/models", None, _key(settings), LISTING_S) as response:
                if response.status != 200:
                    raise failed(GeneratorUnavailable, url, f"answered with status {response.status}")
                names = tuple(str(entry["id"]) for entry in json.loads(response.read())["data"])
            if not names:
                raise IndexError("an empty list of models")
            return names
        except (GenerationError, ValueError, KeyError, TypeError, IndexError) as error:
            failure = error if isinstance(error, GenerationError) else failed(GeneratorUnavailable, url, NO_MODEL)
    raise failure or GeneratorUnavailable(f"the model server {NO_MODEL}")


def _key(settings: GenerationSettings) -> str:
    return settings.vllm_api_key.get_secret_value() if settings.vllm_api_key else "none"


def _salt(evidence: Sequence[Evidence]) -> str:
    """Return the cache salt of a tenant: those who read the same collections share a cache, nobody else."""
    tenant = "\x00".join(sorted({item.hit.collection for item in evidence}))
    return hashlib.sha256(f"attest\x00{tenant}".encode()).hexdigest()[:32]


def load_vllm(settings: Settings) -> VllmGenerator:
    """Return a client of these settings; replicas take turns across its requests."""
    return VllmGenerator(settings.generation, settings.home, make_prompter(settings))
