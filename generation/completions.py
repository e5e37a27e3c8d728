"""Chat completions of an OpenAI-compatible server as a stream of text.

A small model writes thousands of tokens a second over all requests, so what is done for each token counts: see
`python -m bench.clients` for what this costs beside the clients it is written instead of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from core.errors import ContextTooLong, GenerationError, GeneratorUnavailable
from generation.connections import answered, failed, lines_of

_TOO_LONG = ("context length", "maximum context", "max_model_len", "too long", "input length")
_DATA = "data:"
_END = "[DONE]"


def stream_chat(
    url: str, body: Mapping[str, Any], key: str, timeout_s: float, *, first_s: float | None = None
) -> Iterator[str]:
    """Yield the pieces of one completion; closing the iterator closes the connection, and the server stops writing.

    Raises:
        GeneratorUnavailable: the server cannot be reached, fails, or breaks off.
        GeneratorTimeout: it was silent for `timeout_s`, before its first byte for `first_s`.
        ContextTooLong: the messages exceed the model's window.
        GenerationError: it refuses the request.
    """
    asked = {**body, "stream": True}
    path = f"{url.rstrip('/')}/chat/completions"
    with answered("POST", path, asked, key, timeout_s, first_s=first_s) as response:
        if response.status != 200:
            raise _refusal(response.status, response.read().decode("utf-8", "replace"), url)
        yield from pieces(lines_of(response), url)


def pieces(lines: Iterator[str], url: str) -> Iterator[str]:
    """Yield the text in server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    ended = False
    for line in lines:
        if not line.startswith(_DATA):
            continue
        data = line[len(_DATA) :].strip()
        if data == _END:
            ended = True
            continue  # what is left unread would cost the connection
        try:
            event = json.loads(data)
            if "error" in event:
                raise _refusal(int(event["error"].get("code") or 500), str(event["error"].get("message")), url)
            for choice in event["choices"]:
                if text := choice["delta"].get("content"):
                    yield text
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise failed(GeneratorUnavailable, url, "sent an event that is no chat completion") from error
    if not ended:
        raise failed(GeneratorUnavailable, url, "broke off before the end of its answer")


def _refusal(status: int, message: str, url: str) -> GenerationError:
    """Return our error for a status and what the server says of it."""
    if status not in (400, 413, 422):
        return failed(GeneratorUnavailable, url, f"answered with status {status}")
    if any(sign in message.lower() for sign in _TOO_LONG):
        return ContextTooLong("question and passages exceed the model's window; lower retrieval.k")
    return failed(GenerationError, url, f"refused the request with status {status}")
