"""Whether the server lives, whether it can answer, and what it counted."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.auth import Operating, Parts
from app.runtime import Runtime
from core.errors import AttestError
from core.types import Json

router = APIRouter(tags=["health"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def healthz() -> Json:
    """Say that the process answers."""
    return {"ok": True}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses={503: {"description": "A part is not there yet; the body says which"}})
async def readyz(runtime: Parts, request: Request) -> Response:
    """Say whether the database is reachable and the index and models are loaded and warm; never waits for them.

    An index that could not follow just now still answers: the process stays ready, and `reasons` says so.
    """
    retriever = runtime.retriever if runtime.has("retriever") else None
    checks = {
        "database": _database(runtime),
        "index": retriever is not None and retriever.following,
        "rails": runtime.has("rails"),
        "models": request.app.state.warming.done(),
    }
    ready = all(checks.values())
    reasons = {"index": retriever.trouble} if retriever is not None and retriever.trouble else {}
    return JSONResponse({"ready": ready, "checks": checks, "reasons": reasons}, 200 if ready else 503)


@router.get("/metrics")
def metrics(_operator: Operating, request: Request) -> Response:
    """Return the counters in Prometheus's text form."""
    return Response(request.app.state.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _database(runtime: Runtime) -> bool:
    if not runtime.has("database"):
        return False
    try:
        with runtime.database.read() as session:
            session.execute(text("SELECT 1"))
    except (AttestError, SQLAlchemyError):
        return False
    return True
