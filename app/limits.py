"""What every request passes before a route sees it: size, rate, origin; and the headers every response carries."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import problem_response
from app.schemas import require_line
from core.errors import InvalidInput, RateLimited

JSON_BYTES = 1024 * 1024
"""A megabyte: the longest conversation an OpenAI client may send along, many times over."""
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}

SENT_ON = ("forwarded", "via", "x-forwarded", "x-real-ip")
"""How the names of headers begin that only a proxy adds."""
OF_PROXIES = "1.0"
"""The HTTP that nginx speaks to the server behind it unless told otherwise, adding no header; clients speak 1.1."""


class RateLimiter:
    """A bucket of tokens for each name, refilled evenly; its size is one minute's requests."""

    def __init__(self, per_minute: int) -> None:
        self._size = float(per_minute)
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, name: str) -> None:
        """Take a token.

        Raises:
            RateLimited: the bucket is empty.
        """
        now = time.monotonic()
        with self._lock:
            if len(self._buckets) > 10_000:  # names of one minute; those refilled since say nothing
                self._buckets = {n: b for n, b in self._buckets.items() if now - b[1] < 60}
            left, since = self._buckets.get(name, (self._size, now))
            left = min(self._size, left + (now - since) * self._size / 60)
            if left < 1:
                wait_s = math.ceil((1 - left) * 60 / self._size)
                raise RateLimited(f"more than {self._size:.0f} requests a minute; the next in {wait_s} s", wait_s)
            self._buckets[name] = (left - 1, now)


class Guard:
    """Refuses addresses that are none or that name nothing a store could hold, and bodies too large; sets headers."""

    def __init__(self, app: ASGIApp, *, upload_bytes: int) -> None:
        self._app = app
        self._upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        send = _with_headers(send)
        for name, address in (("Host", f"//{headers.get('host', '')}"), ("Origin", headers.get("origin", ""))):
            if not _is_address(address):
                await problem_response(400, "BadRequest", f"the header {name} holds no address")(scope, receive, send)
                return
        try:
            require_line(scope["path"] + unquote(scope["query_string"].decode("latin-1")))
        except ValueError as error:
            await problem_response(422, InvalidInput.__name__, f"the address {error}")(scope, receive, send)
            return
        limit = self._upload_bytes if _is_upload(scope) else JSON_BYTES
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > limit:
            await _too_large(limit)(scope, receive, send)
            return
        counted = Counted(receive, send, limit)
        await self._app(scope, counted.receive, counted.send)


def _is_address(url: str) -> bool:
    with suppress(ValueError):
        urlsplit(url)
        return True
    return False


def from_here(headers: Mapping[str, str], http_version: str) -> bool:
    """Whether a request names this machine, no other site sent it and no proxy sent it on.

    A page of another site, a name made to resolve to 127.0.0.1, or whoever reaches a proxy that names the server behind
    it as its host, could otherwise use the operator's server.
    """
    if http_version == OF_PROXIES or any(name.lower().startswith(SENT_ON) for name in headers):
        return False
    if not is_loopback(urlsplit(f"//{headers.get('host', '')}").hostname or ""):
        return False
    origin = headers.get("origin")
    return origin is None or is_loopback(urlsplit(origin).hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine and nothing else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_upload(scope: Scope) -> bool:
    return bool(scope["method"] == "POST" and scope["path"].rstrip("/") == "/v1/documents")


def _too_large(limit: int) -> ASGIApp:
    return problem_response(413, "TooLarge", f"the body is larger than {limit} bytes")


class Counted:
    """A body without a declared length: reading stops once it passes the limit, and the answer is 413."""

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive = receive
        self._send = send
        self._limit = limit
        self._seen = 0
        self._refused = False

    async def receive(self) -> Message:
        """Pass a message on, or end the body where it grew too large."""
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        return message if self._seen <= self._limit else {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Pass the response on; once the body was cut short, whatever the route made of that becomes 413."""
        if self._seen <= self._limit:
            await self._send(message)
        elif not self._refused:
            self._refused = True
            response = problem_response(413, "TooLarge", f"the body is larger than {self._limit} bytes")
            await self._send({"type": "http.response.start", "status": 413, "headers": response.raw_headers})
            await self._send({"type": "http.response.body", "body": response.body})


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *((k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in present),
            ]
        await send(message)

    return sending
