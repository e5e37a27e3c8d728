"""The shared vocabulary: plain frozen dataclasses that the rooms exchange.

`Answer` and what it holds are the wire format; their field names do not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

Mode: TypeAlias = Literal["dense", "lexical", "hybrid"]
Outcome: TypeAlias = Literal["answered", "refused", "blocked"]
Support: TypeAlias = Literal["supported", "partial", "unsupported"]
Action: TypeAlias = Literal["allow", "flag", "redact", "block"]
RailStage: TypeAlias = Literal["ingest", "input", "retrieval", "output"]
GeneratorName: TypeAlias = Literal["vllm", "embedded", "quote"]
GeneratorChoice: TypeAlias = Literal["auto", "vllm", "embedded", "quote"]
PromptName: TypeAlias = Literal["brief", "full"]
Json: TypeAlias = dict[str, Any]

PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a name such as `user:ana`, the groups it belongs to, and whether it operates the system."""

    name: str
    groups: frozenset[str] = frozenset()
    operator: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Every name an access list may hold that grants this principal."""
        return self.groups | {self.name, PUBLIC}


OPERATOR = Principal("operator", operator=True)


@dataclass(frozen=True, slots=True)
class Filters:
    """What narrows a search besides permission; `None` does not narrow."""

    collection: str | None = None
    document_ids: tuple[str, ...] | None = None
    source_prefix: str | None = None
    media_type: str | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    as_of: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Message:
    """One earlier message of a conversation."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Style:
    """How a draft is to be asked for, where it differs from the settings."""

    prompt: PromptName | None = None
    task: str | None = None
    """A tuned task, or `none`."""
    shots: int | None = None
    """Worked examples in the prompt."""


AS_SET = Style()
"""A draft as the settings have it."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a principal asked, with the conversation before it."""

    text: str
    principal: Principal
    filters: Filters = Filters()
    k: int | None = None
    generator: GeneratorChoice = "auto"
    style: Style = AS_SET
    min_seq: int | None = None
    conversation_id: str | None = None
    history: tuple[Message, ...] = ()
    cited_chunks: tuple[int, ...] = ()
    """Chunks cited in the previous turn: they stay candidates."""


@dataclass(frozen=True, slots=True)
class Query:
    """A stand-alone search string made from a question."""

    text: str
    carry: tuple[int, ...] = ()
    """Chunk ids that stay candidates whatever the search finds."""
    asked: str = ""
    """What is searched for, where `text` says more than that."""
    earlier: tuple[tuple[str, float], ...] = ()
    """What was said before and how much it weighs beside what is asked, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of one document version; `text == version_text[start:end]`."""

    id: int
    document_id: str
    version: int
    ordinal: int
    start: int
    end: int
    page: int | None
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Scores:
    """What each step gave a chunk; `None` where the step did not see it."""

    dense: float | None = None
    lexical: float | None = None
    fused: float | None = None
    rerank: float | None = None


@dataclass(frozen=True, slots=True)
class ScoredChunk:
    """A chunk that the principal may read, with its document and its scores."""

    chunk: Chunk
    title: str
    source: str
    collection: str
    score: float
    scores: Scores
    updated_at: datetime
    """When this version was ingested (UTC)."""
    effective_from: datetime | None = None
    also_in: tuple[str, ...] = ()
    """Sources of identical or near-identical documents the principal may read."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The result of one search; hits are best first."""

    hits: tuple[ScoredChunk, ...]
    timings_ms: Mapping[str, float]
    index_seq: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """A chunk shown to the generator under a marker (1-based)."""

    marker: int
    hit: ScoredChunk
    goes_on: bool = False
    """Whether the table at its end goes on in the next passage of its document."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a generator wrote, before anything is checked; markers are `[n]`."""

    text: str
    generator: GeneratorName
    model: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rail said."""

    rail: str
    stage: RailStage
    action: Action
    score: float
    threshold: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page in PDF points, origin at the top left."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of an answer at `text[start:end]` with the markers that support it."""

    text: str
    start: int
    end: int
    citations: tuple[int, ...]
    verdict: Support
    score: float


@dataclass(frozen=True, slots=True)
class Citation:
    """The passage behind a marker; `quote == document_text[start:end]`, `page` is 1-based."""

    marker: int
    document_id: str
    version: int
    title: str
    source: str
    page: int | None
    start: int
    end: int
    quote: str
    score: float
    verdict: Support = "supported"
    boxes: tuple[Box, ...] = ()
    updated_at: str | None = None
    also_in: tuple[str, ...] = ()
    chunk_id: int | None = None


@dataclass(frozen=True, slots=True)
class NearestPassage:
    """A passage that came close when an answer was refused."""

    document_id: str
    title: str
    source: str
    page: int | None
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one question; what every way in returns."""

    id: str
    outcome: Outcome
    text: str
    reason: str | None
    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]
    rails: tuple[Verdict, ...]
    model: str
    generator: GeneratorName
    index_seq: int
    timings_ms: Mapping[str, float]
    question: str = ""
    query: str = ""
    conversation_id: str | None = None
    nearest: tuple[NearestPassage, ...] = ()
    named: tuple[str, ...] = ()
    """Documents whose titles the text names: a greeting's examples of what can be asked about."""
    unanswered: tuple[str, ...] = ()
    """Parts of a question with several that the documents do not answer, while the others are answered."""

    def to_json(self) -> Json:
        """Return the wire form as JSON-ready dictionaries."""
        return asdict(self)
