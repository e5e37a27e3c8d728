"""What responses hold, for the description of the API; nothing is checked against it while serving.

What has a type already (`Answer`, `Explanation`, `IngestReport`) is described by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, Field

from core.types import Answer, Json, Scores
from ingest.report import IngestReport


class Mistake(BaseModel):
    """Where a request is wrong, and what is wrong there."""

    at: str
    message: str


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="`urn:attest:<kind>`, stable", examples=["urn:attest:InvalidInput"])
    title: str
    status: int
    detail: str = Field(description="What happened, for a person")
    errors: list[Mistake] = Field(default=[], description="Of a malformed request, each mistake")
    error: Json = Field(default={}, description="On the routes of OpenAI's protocol, what its clients read")
    request_id: str = Field(default="", description="Of an unexpected error: stands in the server's log beside it")


class Hit(BaseModel):
    """A passage that a search found."""

    rank: int
    score: float
    document_id: str
    version: int
    title: str
    source: str
    collection: str
    page: int | None = Field(description="1-based; null where the format has no pages")
    start: int = Field(description="In characters of the document's cleaned text")
    end: int
    heading: str
    text: str
    scores: Scores
    chunk_id: int
    updated_at: str
    also_in: list[str] = Field(description="Sources of the same or nearly the same text")


class Hits(BaseModel):
    """What a search found, best first."""

    query: str
    hits: list[Hit]
    timings_ms: dict[str, float]
    index_seq: int


class DocumentRow(BaseModel):
    """A document in a list."""

    id: str
    title: str
    source: str
    collection: str
    version: int
    state: str
    chunks: int
    pages: int
    sha256: str
    updated_at: str
    duplicate: bool


class Documents(BaseModel):
    """The documents the caller may read, or the part of them that was asked for."""

    documents: list[DocumentRow]
    total: int = Field(description="How many there are, whatever the limit")


class VersionRow(BaseModel):
    """A version of a document."""

    version: int
    sha256: str
    characters: int
    created_at: str
    effective_from: str | None
    expires_at: str | None
    superseded_at: str | None


class DocumentShown(DocumentRow):
    """All that is known of a document."""

    media_type: str
    parser: str
    language: str | None
    characters: int
    attributes: Json
    report: Json
    versions: list[VersionRow]
    duplicate_of: str | None
    near_duplicate_of: str | None
    supersedes: str | None
    parent: str | None
    children: list[str]
    allow: list[str] | None = Field(
        default=None, description="For the operator: its own list of readers, if it has one"
    )


class DocumentText(BaseModel):
    """The cleaned text of a version."""

    id: str
    version: int
    text: str
    pages: list[list[int]] = Field(description="[page, start, end] in characters of the text")


class Deleted(BaseModel):
    """What a deletion left."""

    id: str
    deleted: bool
    documents: int
    verified: dict[str, int] = Field(description="By store, how much is still found")


class Queued(BaseModel):
    """An upload that is kept safe."""

    run_id: str
    state: str


@dataclass(slots=True)
class RunRow(IngestReport):
    """A run of ingestion; what it has not come to yet is missing."""

    principal: str = ""
    started_at: str = ""
    finished_at: str | None = None
    collection: str = ""
    sources: list[str] = field(default_factory=list)
    """Of an upload: what it brought in."""
    attempts: int = 0
    """Of an upload that waits: how often it was tried."""
    error: dict[str, str] = field(default_factory=dict)
    """Of an upload that waits: why."""


@dataclass(slots=True)
class Run(RunRow):
    """A run of ingestion and how far it has come."""

    total: int = 0
    parsed: int = 0
    embedded: int = 0
    committed: int = 0
    failed_so_far: int = 0
    seq: int = 0
    """To be given as `min_seq`."""


class Runs(BaseModel):
    """Runs of ingestion, the latest first."""

    runs: list[RunRow]


class Ready(BaseModel):
    """Whether the server can answer, and what is missing where it cannot."""

    ready: bool
    checks: dict[str, bool]
    reasons: dict[str, str]


class Conversation(BaseModel):
    """A conversation in a list."""

    id: str
    title: str
    collection: str | None
    created_at: str
    updated_at: str


class Conversations(BaseModel):
    """The caller's conversations, the latest first."""

    conversations: list[Conversation]


class TurnShown(BaseModel):
    """A question and its answer as it may be read now; a withheld one has lost most of its fields."""

    question: str
    answer: Json
    created_at: str


class ConversationShown(Conversation):
    """A conversation with its turns."""

    turns: list[TurnShown]


class Completion(BaseModel):
    """A chat completion of OpenAI's protocol."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Json]
    attest: Answer


class Me(BaseModel):
    """Whom a key acts for."""

    principal: str
    groups: list[str]
    operator: bool
