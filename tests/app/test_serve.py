"""`attest serve` as a process: it starts, answers, and leaves in order when told to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.conftest import KnowledgeBase
from tests.wire_double import wire_double


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_server_starts_answers_and_leaves_in_order(own_knowledge_base: KnowledgeBase, how: signal.Signals) -> None:
    environment = {**os.environ, "ATTEST_HOME": str(own_knowledge_base.home), "ATTEST_RAILS__ENABLED": "false"}
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stderr.readline())
        assert found
        with httpx.Client(base_url=f"http://127.0.0.1:{found[1]}", timeout=60, trust_env=False) as client:
            deadline = time.monotonic() + 90
            while client.get("/readyz").status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            answer = client.post("/v1/ask", json={"question": "Who books flights?"}).json()
            assert answer["outcome"] in ("answered", "refused")
        process.send_signal(how)
        assert process.wait(40) in (0, 130, -how)
        rest = process.stderr.read()
    assert "Traceback" not in rest, rest


def test_serving_other_machines_without_a_key_is_refused(own_knowledge_base: KnowledgeBase) -> None:
    environment = {**os.environ, "ATTEST_HOME": str(own_knowledge_base.home)}
    command = [sys.executable, "-m", "app.cli", "serve", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "attest keys create" in done.stderr


@pytest.mark.slow
def test_answers_that_cannot_be_finished_are_ended_in_words(own_knowledge_base: KnowledgeBase) -> None:
    """Told to stop, a server says so to whoever waits, in a stream and outside of one, before it hangs up."""
    with wire_double(mode="say", say="word " * 1000, pause_s=0.2) as model, ThreadPoolExecutor(2) as callers:
        environment = {
            **os.environ,
            "ATTEST_HOME": str(own_knowledge_base.home),
            "ATTEST_RAILS__ENABLED": "false",
            "ATTEST_GENERATION__VLLM_URLS": f'["{model.url}"]',
        }
        command = [sys.executable, "-m", "app.cli", "serve", "--port", "0"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stderr.readline())
            assert found

            def ask(route: str) -> httpx.Response:
                body = {"question": "How many hours of annual leave may full-time staff carry over?"}
                url = f"http://127.0.0.1:{found[1]}{route}"
                return httpx.post(url, json=body, timeout=120, trust_env=False)

            asked = [callers.submit(ask, route) for route in ("/v1/ask", "/v1/ask/stream")]
            deadline = time.monotonic() + 90
            while len(model.requests) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            whole, stream = (answer.result() for answer in asked)
            assert process.wait(40) in (0, -signal.SIGTERM)
            rest = process.stderr.read()
    assert (whole.status_code, whole.json()["type"], whole.headers["retry-after"]) == (503, "urn:attest:Stopping", "10")
    assert stream.text.rstrip().rpartition("event: ")[2].startswith("error\n")
    assert "urn:attest:Stopping" in stream.text
    assert "Traceback" not in rest, rest
