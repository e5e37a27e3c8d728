"""What the server counts, in Prometheus's form; labels never hold a name, a question or a source."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.types import Answer

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""From one rail (1 ms) to the longest draft (60 s)."""


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "attest_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "attest_request_seconds",
            "Seconds until a response's headers",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            "attest_stage_seconds",
            "Seconds a step of an answer took",
            ["stage"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.answers = Counter(
            "attest_answers", "Answers by outcome", ["outcome", "reason", "generator"], registry=self.registry
        )
        self.rails = Counter("attest_rails", "Verdicts of rails", ["rail", "stage", "action"], registry=self.registry)
        self.claims = Counter("attest_claims", "Claims by verdict", ["verdict"], registry=self.registry)
        self.uploads = Counter(
            "attest_uploads", "Uploaded files by how their run ended", ["state"], registry=self.registry
        )
        self._ready = Gauge("attest_ready", "1 where every part is there, as /readyz says", registry=self.registry)
        self._index_seq = Gauge("attest_index_seq", "The last change the index holds", registry=self.registry)
        self._uploads_waiting = Gauge(
            "attest_uploads_waiting", "Uploads that are not ingested yet", registry=self.registry
        )
        ProcessCollector(registry=self.registry)

    def observe_answer(self, answer: Answer) -> None:
        """Count an answer."""
        self.answers.labels(answer.outcome, answer.reason or "", answer.generator).inc()
        for stage, ms in answer.timings_ms.items():
            self.stage_seconds.labels(stage).observe(ms / 1000)
        for verdict in answer.rails:
            self.rails.labels(verdict.rail, verdict.stage, verdict.action).inc()
        for claim in answer.claims:
            self.claims.labels(claim.verdict).inc()

    def render(self, *, ready: bool, index_seq: int, uploads_waiting: int) -> bytes:
        """Return the exposition text with what the server is like at this moment."""
        self._ready.set(ready)
        self._index_seq.set(index_seq)
        self._uploads_waiting.set(uploads_waiting)
        return generate_latest(self.registry)


class Measured:
    """Counts each request under its route's pattern; a path that nobody serves is counted as one."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        def count(status: int) -> None:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.requests.labels(scope["method"], route, str(status)).inc()
            self._metrics.request_seconds.labels(route).observe(time.perf_counter() - began)

        counted = False

        async def counting(message: Message) -> None:
            nonlocal counted
            if message["type"] == "http.response.start":
                counted = True
                count(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, counting)
        except Exception:  # what nobody expected becomes a response further out
            if not counted:
                count(500)
            raise
