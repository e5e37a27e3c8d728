"""A closed loop: so many callers, each of whom asks again as soon as it was answered, for a fixed time.

What ended before the ramp was over or after the time was up is left out: a loop that starts with everybody at once
and ends with the slowest measures its own edges.
"""

from __future__ import annotations

import http.client
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

_SENTENCE = re.compile(r"[.!?][\s\[]|\n")
_bare = threading.local()


@dataclass(slots=True)
class Reply:
    """What one call brought, in seconds after it began; `first_sentence_s` is a claim where claims are released."""

    first_piece_s: float = 0.0
    first_sentence_s: float = 0.0
    pieces: int = 0
    outcome: str = ""
    stages_ms: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The replies that ended within the time, and what the process computed in that time."""

    replies: list[Reply]
    cpu_s: float


def closed_loop(one: Callable[[int], Reply], places: int, ramp_s: float, seconds: float) -> Window:
    """Call `one` from so many threads, with a number that counts up, and return what ended within the time.

    Raises:
        Exception: what a call raised; the other callers end after their call.
    """
    numbers = itertools.count()
    began = time.perf_counter()
    ended: list[tuple[float, Reply]] = []
    failed = threading.Event()

    def call() -> None:
        try:
            while time.perf_counter() - began < ramp_s + seconds and not failed.is_set():
                reply = one(next(numbers))
                ended.append((time.perf_counter() - began, reply))
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(places) as pool:
        calls = [pool.submit(call) for _ in range(places)]
        failed.wait(ramp_s)
        before = time.process_time()
        failed.wait(max(0.0, began + ramp_s + seconds - time.perf_counter()))
        cpu_s = time.process_time() - before
        for ended_call in calls:
            ended_call.result()
    return Window([reply for at, reply in ended if ramp_s <= at < ramp_s + seconds], cpu_s)


def timed(pieces: Iterator[str]) -> Reply:
    """Read a stream to its end and note when its first piece came and when its first sentence was whole."""
    reply, began, text = Reply(), time.perf_counter(), ""
    for piece in pieces:
        now = time.perf_counter() - began
        reply.first_piece_s = reply.first_piece_s or now
        reply.pieces += 1
        if not reply.first_sentence_s:
            text += piece
            if _SENTENCE.search(text):
                reply.first_sentence_s = now
    reply.first_sentence_s = reply.first_sentence_s or time.perf_counter() - began
    return reply


def bare_stream(url: str, body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the deltas of a stream as little code reads them: a kept connection a thread, nothing checked."""
    connection = getattr(_bare, "connection", None)
    if connection is None or _bare.url != url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
        _bare.connection, _bare.url = connection, url
    content = json.dumps({**body, "stream": True}).encode()
    connection.request("POST", "/v1/chat/completions", content, {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise SystemExit(f"the server answered with status {response.status}: {response.read()[:500]!r}")
    rest = b""
    while data := response.read1(1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    if text := choice["delta"].get("content"):
                        yield text


def percentiles(seconds: Sequence[float]) -> dict[str, float] | None:
    """Return median and 95th percentile in milliseconds; `None` of nothing."""
    if not seconds:
        return None
    spread = quantiles(seconds, n=20) if len(seconds) > 1 else [*seconds] * 19
    return {"p50": round(median(seconds) * 1e3, 1), "p95": round(spread[-1] * 1e3, 1)}
