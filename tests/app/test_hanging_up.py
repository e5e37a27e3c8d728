"""A client that goes away before its whole answer is there: the model is not left writing for nobody."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.app.conftest import NO_RAILS, serving, with_model
from tests.conftest import KnowledgeBase
from tests.wire_double import wire_double

QUESTION = "How many hours of annual leave may full-time staff carry over?"
ASKED = {
    "/v1/ask": {"question": QUESTION},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": QUESTION}]},
}


def test_the_model_stops_when_whoever_asked_hangs_up(own_knowledge_base: KnowledgeBase) -> None:
    with wire_double(mode="say", say="word " * 1000, pause_s=0.02) as double:
        settings = with_model(own_knowledge_base.settings.model_copy(update={"rails": NO_RAILS}), double.url)
        with serving(settings, own_knowledge_base.ids) as api, api.client() as client:
            for number, (path, body) in enumerate(ASKED.items(), start=1):
                with pytest.raises(httpx.ReadTimeout):
                    client.post(path, json=body, timeout=3)
                deadline = time.monotonic() + 5
                while double.broken_off < number and time.monotonic() < deadline:
                    time.sleep(0.05)
                assert double.broken_off == number, f"the model went on writing for {path}"
            metrics = client.get("/metrics").text
    assert 'attest_requests_total{method="POST",route="/v1/ask",status="409"} 1.0' in metrics
