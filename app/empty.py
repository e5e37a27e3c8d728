"""Telling somebody at a terminal that the home they ask holds nothing, and where what they look for may lie."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from app.console import note
from core.db.models import Document
from core.db.session import Database
from core.settings import Settings

DEMO_HOME = Path(__file__).resolve().parents[1] / ".attest"
"""Where `make demo` keeps its knowledge base."""


def note_where_empty(database: Database, settings: Settings) -> None:
    """Say on standard error that the home holds no document, if it holds none; an answer cannot tell that apart."""
    with database.read() as session:
        if session.scalar(select(Document.key).where(Document.state != "deleted").limit(1)) is not None:
            return
    note(f"attest: {settings.home} holds no document. Read some in: attest ingest PATH; ATTEST_HOME names another home")
    if settings.home != DEMO_HOME and (DEMO_HOME / "attest.db").is_file():
        note(f"attest: what `make demo` has read lies in another home: ATTEST_HOME={DEMO_HOME}")
