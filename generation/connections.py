"""HTTP to model servers over kept connections, one request at a time on each.

`http.client` takes half the processor time of httpx for a stream of small chunks, and a stack of idle connections costs
the same however many there are, where httpx's pool looks at each of them for every request (ADR 66).
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

from core.errors import GenerationError, GeneratorTimeout, GeneratorUnavailable
from core.logging import without_credentials

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPConnection, HTTPResponse
    from socket import socket as Socket

log = logging.getLogger(__name__)
Failure = TypeVar("Failure", bound=GenerationError)
CONNECT_S = 3.0
"""How long a server may take to accept a connection; one that lives does so at once, however busy its model is."""
KEPT_S = 2.0
"""How long an idle connection is kept; vLLM's server closes one after five seconds."""
_READ = 1 << 16


class Kept:
    """The idle connections of this process, the latest used on top, with the time since when each is idle."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str], list[tuple[HTTPConnection, float]]] = {}
        self._lock = threading.Lock()

    def take(self, server: tuple[str, str]) -> HTTPConnection | None:
        """Return an idle connection to a server, `None` where there is none; close those idle for too long."""
        oldest = time.monotonic() - KEPT_S
        with self._lock:
            idle = self._idle.setdefault(server, [])
            stale = next((place for place, (_, since) in enumerate(idle) if since >= oldest), len(idle))
            closing = [idle.pop(0)[0] for _ in range(stale)]
            taken = idle.pop()[0] if idle else None
        for connection in closing:
            connection.close()
        return taken

    def put(self, server: tuple[str, str], connection: HTTPConnection) -> None:
        """Keep a connection whose response was read to its end."""
        with self._lock:
            self._idle.setdefault(server, []).append((connection, time.monotonic()))


_kept = Kept()


@contextmanager
def answered(
    method: Literal["GET", "POST"],
    url: str,
    body: Mapping[str, Any] | None,
    key: str,
    timeout_s: float,
    *,
    first_s: float | None = None,
) -> Iterator[HTTPResponse]:
    """Send a request and open its response; one not read to its end closes the connection, and the server stops.

    With `first_s` it is opened when its first byte is there: a server may send its head before its model says anything.

    Raises:
        GeneratorUnavailable: the server cannot be reached, or breaks off while it is read.
        GeneratorTimeout: it was silent for `timeout_s`, before its first byte for `first_s`, or took no connection.
    """
    from http.client import HTTPException

    parts = urlsplit(url)
    server = (parts.scheme, parts.netloc)
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection: HTTPConnection | None = None
    try:
        silent_s = timeout_s if first_s is None else min(first_s, timeout_s)
        connection, response, socket = _sent(server, (method, path, content, headers), silent_s)
        if first_s is not None:
            response.peek(1)
        if not response.isclosed():
            socket.settimeout(timeout_s)
        yield response
        if (response.isclosed() or response.length == 0) and not response.will_close:
            response.close()  # only its reader; before CPython 3.13 a body of known length stays open at its end
            _kept.put(server, connection)
            connection = None
    except TimeoutError as error:
        raise failed(GeneratorTimeout, url, "did not answer in time") from error
    except (OSError, HTTPException) as error:
        raise failed(GeneratorUnavailable, url, "cannot be reached; ask again in a moment") from error
    finally:
        if connection is not None:
            connection.close()


def failed(kind: type[Failure], url: str, what: str) -> Failure:
    """Return the error of a server that failed: whoever asked learns what happened, the log where."""
    log.warning("%s %s", without_credentials(url), what)
    return kind(f"the model server {what}")


def lines_of(response: HTTPResponse) -> Iterator[str]:
    """Yield the lines of a response as they come."""
    rest = b""
    while data := response.read1(_READ):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


def _sent(
    server: tuple[str, str], request: tuple[str, str, bytes | None, dict[str, str]], timeout_s: float
) -> tuple[HTTPConnection, HTTPResponse, Socket]:
    """Send on a kept connection; where the server hung up just as it was taken, on a new one.

    A server closes what was idle for some seconds, and a request on its way at that moment was not begun.
    """
    kept = _kept.take(server)
    if kept is not None:
        try:
            return kept, *_exchange(kept, request, timeout_s)
        except ConnectionError:
            kept.close()
        except BaseException:
            kept.close()
            raise
    opened = _opened(server, min(timeout_s, CONNECT_S))
    try:
        return opened, *_exchange(opened, request, timeout_s)
    except BaseException:
        opened.close()
        raise


def _exchange(
    connection: HTTPConnection, request: tuple[str, str, bytes | None, dict[str, str]], timeout_s: float
) -> tuple[HTTPResponse, Socket]:
    """Return the response, and its socket, which the connection forgets where the server will close it."""
    if connection.sock is None:
        connection.connect()
    socket = connection.sock
    socket.settimeout(timeout_s)
    method, path, content, headers = request
    try:
        connection.request(method, path, content, headers)
    except ValueError:  # a header that holds a line end; the error's text holds the key
        raise GenerationError("the model server's key or address holds a character that HTTP does not take") from None
    return connection.getresponse(), socket


def _opened(server: tuple[str, str], timeout_s: float) -> HTTPConnection:
    from http.client import HTTPConnection, HTTPSConnection

    scheme, netloc = server
    parts = urlsplit(f"{scheme}://{netloc}")
    host = parts.hostname or ""
    if scheme == "https":
        return HTTPSConnection(host, parts.port, timeout=timeout_s, context=_trusted())
    return HTTPConnection(host, parts.port, timeout=timeout_s)


@cache
def _trusted() -> ssl.SSLContext:
    """Return what certificates are checked against: the same authorities as everywhere else in this program."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)
