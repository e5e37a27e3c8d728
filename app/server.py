"""The REST edge as one application: state, guards, routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from anyio import to_thread
from fastapi import Depends, FastAPI

from app import problems
from app.api import chat, health, reference, routers
from app.api.description import PROBLEMS, Described
from app.api.known import only_known
from app.auth import KeysFirst
from app.limits import Guard, RateLimiter
from app.metrics import Measured, Metrics
from app.page_image import PageImages
from app.readiness import Readiness
from app.runtime import Runtime, answer_many, open_runtime
from app.streams import RUNNING, Streams
from app.uploads import Uploads
from core.settings import Settings

THREADS = RUNNING + 16
"""Requests that are worked on at once; the framework's 40 would hold back whole answers that the model could draft."""
DRAIN_S = 10.0
"""How long shutdown waits for answers and uploads in the making."""
FOREIGN = (chat.router, health.router, reference.router)
"""Whose clients are not ours: they send along what they like, such as `api-version`."""


def create_app(settings: Settings, runtime: Runtime | None = None) -> FastAPI:
    """Return the application of a home; it opens its parts at start-up and closes them at shutdown."""
    app = Described(
        title="Attest",
        version=version("attest"),
        description="Answers from your own documents, every sentence traceable to the passage that supports it.",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.runtime = runtime or open_runtime(settings)
    app.state.metrics = Metrics()
    app.state.streams = Streams()
    app.state.limiter = RateLimiter(settings.server.requests_per_minute)
    app.state.pages = PageImages()
    app.state.readiness = Readiness(app.state.runtime)
    app.state.uploads = Uploads(app.state.runtime, app.state.metrics)
    problems.install(app)
    for router in routers():
        known = [] if router in FOREIGN else [Depends(only_known)]
        app.include_router(router, responses={} if router is health.router else PROBLEMS, dependencies=known)
    app.add_middleware(KeysFirst)
    app.add_middleware(Measured, metrics=app.state.metrics)
    app.add_middleware(Guard, upload_bytes=settings.server.max_upload_mb * 1024 * 1024)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Warm the parts beside the server, so that `/healthz` answers at once and `/readyz` once they are there."""
    answer_many()
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    app.state.uploads.resume()
    app.state.readiness.start()
    try:
        yield
    finally:
        await asyncio.to_thread(app.state.streams.stop_all, DRAIN_S)
        await asyncio.to_thread(app.state.uploads.close, DRAIN_S)
        await asyncio.to_thread(app.state.readiness.stop)
        await asyncio.to_thread(app.state.runtime.close)
