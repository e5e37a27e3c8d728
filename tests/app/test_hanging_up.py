"""A client that goes away before its whole answer is there: the model is not left writing for nobody."""

from __future__ import annotations

import json
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.app.conftest import NO_RAILS, serving, with_model
from tests.conftest import KnowledgeBase
from tests.wire_double import until, wire_double

QUESTION = "How many hours of annual leave may full-time staff carry over?"
ASKED = {
    "/v1/ask": {"question": QUESTION},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": QUESTION}]},
}


def test_the_model_stops_when_whoever_asked_hangs_up(own_knowledge_base: KnowledgeBase) -> None:
    with wire_double(mode="say", say="word " * 20_000, pause_s=0.02) as double:
        settings = with_model(own_knowledge_base.settings.model_copy(update={"rails": NO_RAILS}), double.url)
        with serving(settings, own_knowledge_base.ids) as api, api.client() as client:
            for number, (path, body) in enumerate(ASKED.items(), start=1):
                with closing(HTTPConnection(urlsplit(api.url).netloc)) as asking:
                    asking.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
                    until(lambda number=number: len(double.requests) == number)
                until(lambda number=number: double.broken_off == number)
                assert double.broken_off == number, f"the model went on writing for {path}"
            counted = 'attest_requests_total{method="POST",route="/v1/ask",status="409"} 1.0'
            until(lambda: counted in client.get("/metrics").text)
            assert counted in client.get("/metrics").text
