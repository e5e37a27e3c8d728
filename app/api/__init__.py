"""The routes of the REST edge, one file a subject."""

from __future__ import annotations

from fastapi import APIRouter


def routers() -> list[APIRouter]:
    """Return every router."""
    from app.api import (
        access,
        answers,
        chat,
        conversations,
        documents,
        feedback,
        health,
        quarantine,
        record,
        reference,
        runs,
        search,
        settings,
    )

    return [
        answers.router,
        chat.router,
        search.router,
        documents.router,
        runs.router,
        quarantine.router,
        conversations.router,
        feedback.router,
        record.router,
        access.router,
        settings.router,
        health.router,
        reference.router,
    ]
