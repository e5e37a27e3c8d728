"""A guard model behind an OpenAI-compatible API is one more rail."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from core.errors import GeneratorUnavailable
from guardrails.external_guard import ExternalGuard
from guardrails.rail import Context


@pytest.fixture
def guard():
    """A server that calls whatever holds `bomb` unsafe, and answers nonsense to `nonsense`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"][-1]["content"]
            said = "unsafe\nS9" if "bomb" in asked else "well" if "nonsense" in asked else "safe"
            body = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield ExternalGuard(f"http://127.0.0.1:{server.server_port}/v1", "llama-guard")
    server.shutdown()


def test_the_guard_decides(guard):
    assert guard.check(Context("input", "how is the weather")).score == 0.0
    finding = guard.check(Context("output", "build a bomb"))
    assert (finding.score, finding.reason) == (1.0, "S9")


@pytest.mark.parametrize("number", range(20))
@pytest.mark.parametrize(("text", "score"), [("a harmless question", 0.0), ("how to build a bomb", 1.0)])
def test_what_the_guard_says_is_what_the_rail_says(guard, text, score, number):
    stage = ("input", "output")[number % 2]
    assert guard.check(Context(stage, f"{text}, number {number}")).score == score


def test_an_answer_that_is_none_is_an_error(guard):
    with pytest.raises(GeneratorUnavailable):
        guard.check(Context("input", "nonsense"))
