"""The record of answers, for the operator: the chain, a replay, what the documents are missing; and summaries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.api.answers import whole
from app.api.description import gives
from app.audit import list_records
from app.auth import Asking, Operating, Parts
from app.chain import verify_chain
from app.gaps import find_gaps
from app.replay import replay
from app.schemas import MOST_INTEGER, SummarizeBody
from app.summarize import Subject, summarize
from core.types import Answer, Json

router = APIRouter(prefix="/v1", tags=["record"])


@router.get("/audit")
def audit(
    _operator: Operating,
    runtime: Parts,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[
        int | None, Query(ge=1, le=MOST_INTEGER, description="Only below this `seq`: the last one of the page before")
    ] = None,
) -> Json:
    """List the records of the latest answers, newest first."""
    return {"records": list_records(runtime.database, limit, before)}


@router.get("/audit/verify")
def verify(_operator: Operating, runtime: Parts, expect: str | None = None) -> Json:
    """Check every link of the chain; `expect` is a head noted earlier."""
    return verify_chain(runtime.database, expect).to_json()


@router.post("/answers/{answer_id}/replay")
def replayed(answer_id: str, _operator: Operating, runtime: Parts) -> Json:
    """Run a recorded answer again and say what differs."""
    return replay(runtime, answer_id).to_json()


@router.get("/gaps")
def gaps(_operator: Operating, runtime: Parts, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> Json:
    """Group the questions the documents could not answer well, the largest group first."""
    return {"gaps": [gap.to_json() for gap in find_gaps(runtime, limit=limit)]}


@router.post("/summarize", responses=gives(Answer))
def summary(body: SummarizeBody, principal: Asking, runtime: Parts, request: Request) -> Json:
    """Summarise a document or a collection the caller may read, every sentence cited and verified."""
    subject = Subject(principal, document_id=body.document_id, collection=body.collection)

    def make(stopped: Callable[[], bool]) -> Answer:
        return summarize(runtime, subject, generator=body.generator, sentences=body.sentences, stopped=stopped)

    return whole(request, make).to_json()
