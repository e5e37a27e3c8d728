"""Generations: which embedder and chunker the chunks in the index come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Row, Table, select
from sqlalchemy.orm import Session

from core.db.models import Generation
from core.db.prepared import Prepared
from core.errors import IndexMismatch

_LIVE = select(Generation).where(Generation.state == "live")  # made once: every commit asks
_LIVE_ROW = Prepared(select(*cast(Table, Generation.__table__).c).where(Generation.state == "live"))


@dataclass(frozen=True, slots=True)
class GenerationSpec:
    """What makes two sets of chunks comparable."""

    embedder: str
    revision: str
    dimension: int
    chunker: str
    """Canonical JSON of the chunker's settings."""


def live_generation(session: Session) -> Generation | None:
    """Return the generation that searches use, `None` before the first document."""
    return session.scalar(_LIVE)


def ensure_live_generation(session: Session, spec: GenerationSpec) -> Generation:
    """Return the live generation, making it where there is none.

    Raises:
        IndexMismatch: the live generation was made by another embedder or chunker.
    """
    live = live_generation(session)
    if live is None:
        live = Generation(
            embedder=spec.embedder,
            revision=spec.revision,
            dimension=spec.dimension,
            chunker=spec.chunker,
            state="live",
        )
        session.add(live)
        session.flush()
    require_match(live, spec)
    return live


def live_generation_id(session: Session, spec: GenerationSpec) -> int:
    """Return the id of the live generation, making it where there is none; cheaper than having it as an object.

    Raises:
        IndexMismatch: the live generation was made by another embedder or chunker.
    """
    found = _LIVE_ROW.rows(session)
    if not found:
        return ensure_live_generation(session, spec).id
    require_match(found[0], spec)
    return int(found[0].id)


def require_match(live: Generation | Row[Any], spec: GenerationSpec) -> None:
    """Refuse to mix generations.

    Raises:
        IndexMismatch: the embedder or chunker differs from the generation's.
    """
    found = GenerationSpec(live.embedder, live.revision, live.dimension, live.chunker)
    if found != spec:
        raise IndexMismatch(
            f"the index was built with {found.embedder} (revision {found.revision}, chunker {found.chunker}) and "
            f"the settings name {spec.embedder} (revision {spec.revision}, chunker {spec.chunker}). "
            "Restore those settings, or run: attest reindex"
        )
