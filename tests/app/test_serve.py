"""`attest serve` as a process: it starts, answers, and leaves in order when told to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest

from tests.conftest import KnowledgeBase


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
