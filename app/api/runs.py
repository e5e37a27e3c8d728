"""Runs of ingestion and how far they have come."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.api.description import gives
from app.auth import Asking, Parts
from app.replies import Run, Runs
from app.runs import list_runs, show_run
from core.types import Json

router = APIRouter(prefix="/v1/runs", tags=["documents"])


@router.get("", responses=gives(Runs))
def listed(principal: Asking, runtime: Parts, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Json:
    """List the latest runs the caller began; the operator sees every run."""
    return {"runs": list_runs(runtime, principal, limit)}


@router.get("/{run_id}", responses=gives(Run))
def shown(run_id: str, principal: Asking, runtime: Parts, request: Request) -> Json:
    """Return a run: its state, and the counts so far."""
    return show_run(runtime, request.app.state.uploads, principal, run_id)
