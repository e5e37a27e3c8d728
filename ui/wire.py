"""JSON from the API as types: `core.types` for answers, and a few rows that only the pages show.

Unknown fields are ignored, so that a newer API does not break an older page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from core.types import Answer, Box, Citation, Claim, NearestPassage, Scores, Verdict

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One line of the list of documents."""

    id: str
    title: str
    source: str
    collection: str = "default"
    version: int = 1
    state: str = "live"
    chunks: int = 0
    pages: int = 0
    sha256: str = ""
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class Me:
    """Whom the key acts for."""

    principal: str
    operator: bool = False


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A document that waits for a review, and why."""

    id: str
    title: str
    source: str
    collection: str = "default"
    reason: str = ""
    version_before: int | None = None
    """The version that stands again if this one is thrown out; `None` where the document goes whole."""


@dataclass(frozen=True, slots=True)
class RailRow:
    """One guardrail at one stage."""

    rail: str
    stage: str
    action: str
    threshold: float
    fail: str = "closed"
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Problem:
    """A document that did not come in, or came in and waits: its source and why."""

    source: str
    message: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One ingest run: `queued`, `running`, then `done`, `failed` or `interrupted`; the last counts serve meanwhile."""

    run_id: str
    state: str
    seen: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    chunks: int = 0
    seconds: float = 0.0
    started_at: str = ""
    failed: tuple[Problem, ...] = ()
    quarantined: tuple[Problem, ...] = ()
    left_out: tuple[Problem, ...] = ()
    total: int = 0
    parsed: int = 0
    committed: int = 0
    failed_so_far: int = 0

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen in this run."""
        return self.state not in {"queued", "running"}

    @property
    def came_in(self) -> int:
        """How many documents the run brought in or found in place."""
        return self.added + self.updated + self.unchanged

    @property
    def share(self) -> float:
        """How much of the run is done, from 0 to 1; reading a document counts a third of it."""
        if self.finished:
            return 1.0
        ended = self.committed + self.failed_so_far
        return min(1.0, (max(self.parsed, ended) + 2 * ended) / (3 * self.total)) if self.total else 0.0


@dataclass(frozen=True, slots=True)
class HitRow:
    """One passage that a search found, with what each step gave it."""

    rank: int
    score: float
    document_id: str
    title: str
    source: str
    page: int | None
    start: int
    end: int
    text: str
    scores: Scores


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The passages of one search, best first."""

    hits: tuple[HitRow, ...]
    timings_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """One conversation of the caller."""

    id: str
    title: str
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class TurnRow:
    """One question of a conversation and what came of it."""

    question: str
    answer: Answer | None


def read(kind: type[T], data: Mapping[str, Any], **replaced: Any) -> T:
    """Build a dataclass from the fields of `data` that it knows; `replaced` are already built.

    Raises:
        TypeError: a field without a default is missing.
    """
    known = {f.name: data[f.name] for f in fields(kind) if f.name in data}  # type: ignore[arg-type]
    return kind(**{**known, **replaced})


def rows(data: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """Return a list of JSON objects held under a name, or an empty one."""
    return data.get(name) or ()


def answer_from(data: Mapping[str, Any]) -> Answer:
    """Read an answer in its wire form."""
    return read(
        Answer,
        data,
        claims=tuple(claim_from(row) for row in rows(data, "claims")),
        citations=tuple(citation_from(row) for row in rows(data, "citations")),
        rails=tuple(read(Verdict, row) for row in rows(data, "rails")),
        nearest=tuple(read(NearestPassage, row) for row in rows(data, "nearest")),
        unanswered=tuple(data.get("unanswered") or ()),
    )


def claim_from(data: Mapping[str, Any]) -> Claim:
    """Read one claim in its wire form."""
    return read(Claim, data, citations=tuple(data.get("citations") or ()))


def citation_from(data: Mapping[str, Any]) -> Citation:
    """Read one citation in its wire form."""
    return read(
        Citation,
        data,
        boxes=tuple(read(Box, row) for row in rows(data, "boxes")),
        also_in=tuple(data.get("also_in") or ()),
    )


def hit_from(data: Mapping[str, Any]) -> HitRow:
    """Read one search hit."""
    return read(HitRow, data, scores=read(Scores, data.get("scores") or {}))


def run_from(data: Mapping[str, Any]) -> RunRow:
    """Read an ingest run with what failed, waits for review, and was left out."""
    return read(
        RunRow,
        data,
        failed=tuple(_problem(row) for row in rows(data, "failed")),
        quarantined=tuple(_problem(row) for row in rows(data, "quarantined")),
        left_out=tuple(_problem(row) for row in rows(data, "left_out")),
    )


def turn_from(data: Mapping[str, Any]) -> TurnRow:
    """Read one turn of a stored conversation."""
    answer = data.get("answer")
    return TurnRow(str(data.get("question", "")), answer_from(answer) if isinstance(answer, Mapping) else None)


def _problem(row: Mapping[str, Any]) -> Problem:
    return Problem(
        source=str(row.get("source", "")),
        message=str(row.get("message") or row.get("reason") or ""),
        kind=str(row.get("error") or row.get("kind") or ""),
    )
