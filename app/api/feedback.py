"""Feedback on answers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.auth import Asking, Operating, Parts
from app.feedback import give_feedback, list_feedback
from app.schemas import FeedbackBody
from core.types import Json

router = APIRouter(prefix="/v1/feedback", tags=["feedback"])


@router.post("", status_code=201)
def give(body: FeedbackBody, principal: Asking, runtime: Parts) -> Json:
    """Say whether an answer helped; only who asked may say so."""
    return give_feedback(runtime.database, principal, body.answer_id, body.value, body.comment)


@router.get("")
def listed(_operator: Operating, runtime: Parts, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Json:
    """List what readers said, newest first."""
    return {"feedback": list_feedback(runtime.database, limit)}
