"""A small OpenAI-compatible server that stands for vLLM on the wire: it streams, fails, stalls and obeys on command.

What it says can be foretold: in mode `cite` the first sentence of the first passage it was shown with that passage's
marker, in mode `obedient` everything it was shown, orders included, as a model without any judgement would.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from unittest.mock import patch

Mode = Literal["cite", "obedient", "say", "decline", "error", "error_once", "stall", "drop", "too_long"]
MODEL = "double-1"
PATIENCE = ("generation.connections.CONNECT_S", "generation.vllm.LISTING_S", "generation.tokenizing.WAIT_S")
"""How long this process waits for a model server: a double may be held up on a busy machine, and is not given up."""
PASSAGE = re.compile(r'<passage id="(\d+)"[^>]*>\n(.*?)\n</passage>', re.DOTALL)


@dataclass
class WireDouble:
    """The server's script and what it was asked."""

    url: str
    mode: Mode = "cite"
    say: str = ""
    pause_s: float = 0.0
    """Time between two pieces of a stream."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    broken_off: int = 0
    """Streams whose reader hung up before the end."""
    failures: int = 0
    counts: bool = True
    """Whether it counts tokens: a word is one."""
    counted: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    """Set at the end of the test: what stalls or streams gives up then."""

    def reply(self, request: dict[str, Any]) -> str:
        """Return what the model says to a request."""
        shown = "\n".join(str(message["content"]) for message in request["messages"])
        passages = PASSAGE.findall(shown)
        if self.mode == "decline":
            return "NOT_IN_DOCUMENTS"
        if self.mode == "obedient":
            return "\n".join(f"{text} [{marker}]" for marker, text in passages)
        if self.mode == "cite" and passages:
            marker, text = passages[0]
            first = re.split(r"(?<=[.!?])\s", " ".join(text.split()))[0]
            return f"{first} [{marker}]"
        return self.say


@contextmanager
def wire_double(**script: Any) -> Iterator[WireDouble]:
    """Serve a double on a free port of this machine for the length of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    double = WireDouble(f"http://127.0.0.1:{server.server_address[1]}/v1", **script)
    server.double = double  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        with ExitStack() as patient:
            for name in PATIENCE:
                patient.enter_context(patch(name, 60.0))
            yield double
    finally:
        double.over.set()
        server.shutdown()
        server.server_close()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, for a minute at most."""
    deadline = time.monotonic() + 60
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def double(self) -> WireDouble:
        return self.server.double  # type: ignore[attr-defined, no-any-return]

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._json(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        double = self.double
        if self.path == "/tokenize":
            double.counted.append(request["prompt"])
            self._json(200, {"count": len(request["prompt"].split())}) if double.counts else self._error(404, "no path")
            return
        double.requests.append(request)
        if double.mode == "stall":
            double.over.wait()
            self.close_connection = True
            return
        if double.mode == "too_long":
            self._error(400, "This model's maximum context length is 4096 tokens.")
        elif double.mode == "error" or (double.mode == "error_once" and not double.failures):
            double.failures += 1
            self._error(503, "the engine is restarting")
        elif request.get("stream"):
            self._stream(double.reply(request))
        else:
            message = {"role": "assistant", "content": double.reply(request)}
            self._json(200, _body("chat.completion", {"message": message, "finish_reason": "stop"}))

    def _stream(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        double = self.double
        pieces = re.findall(r"\S+\s*|\s+", text) or [""]
        if double.mode == "drop":
            pieces = pieces[: len(pieces) // 2]
        try:
            for piece in pieces:
                if double.over.wait(double.pause_s):
                    break
                self._event(_body("chat.completion.chunk", {"delta": {"role": "assistant", "content": piece}}))
            if double.mode == "drop":
                self.connection.close()
                return
            self._event(_body("chat.completion.chunk", {"delta": {}, "finish_reason": "stop"}))
            self.wfile.write(b"data: [DONE]\n\n")
            self.wfile.flush()
        except OSError:
            double.broken_off += 1
        self.close_connection = True

    def _event(self, value: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()

    def _error(self, status: int, message: str) -> None:
        self._json(status, {"error": {"message": message, "type": "error", "code": status}})

    def _json(self, status: int, value: dict[str, Any]) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _body(kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {"id": "double", "object": kind, "created": 0, "model": MODEL, "choices": [{"index": 0, **choice}]}
