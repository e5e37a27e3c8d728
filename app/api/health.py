"""Whether the server lives, whether it can answer, and what it counted."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from app.api.description import PROBLEMS, Responses, gives
from app.auth import Operating
from app.replies import Ready
from app.runtime import Runtime
from core.types import Json

router = APIRouter(tags=["health"])
READY = gives(Ready) | gives(Ready, 503, "A part is not there yet; the body says which")
REFUSED: Responses = {status: PROBLEMS[status] for status in (400, 401, 403, 429, 500, 503)}


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def healthz() -> Json:
    """Say that the process answers."""
    return {"ok": True}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=READY)
async def readyz(request: Request) -> Response:
    """Say whether the database answers and the index, rails and models are loaded and warm; never waits for them.

    An index that could not follow just now still answers: the process stays ready, and `reasons` says so.
    """
    report = await request.app.state.readiness.report()
    return JSONResponse(report, 200 if report["ready"] else 503)


@router.get("/metrics", response_class=PlainTextResponse, responses=REFUSED)
async def metrics(_operator: Operating, request: Request) -> Response:
    """Return the counters in Prometheus's text form."""
    state = request.app.state
    runtime: Runtime = state.runtime
    report = await state.readiness.report()
    seq = runtime.retriever.seq if runtime.has("retriever") else 0
    text = state.metrics.render(ready=report["ready"], index_seq=seq, uploads_waiting=state.uploads.waiting)
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)
