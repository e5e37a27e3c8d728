"""One question on its way: what each step found and how long it took."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from app.events import Event, StageDone
from app.gate import strictest
from core.types import (
    Answer,
    Citation,
    Claim,
    Evidence,
    GeneratorName,
    Json,
    NearestPassage,
    Outcome,
    Query,
    Question,
    ScoredChunk,
    Verdict,
)

P = ParamSpec("P")
T = TypeVar("T")

STOPPED = "stopped"
"""The reason of an answer of which the reader saw a part only."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """How a question ended, before it becomes an answer."""

    outcome: Outcome
    text: str
    reason: str | None
    generator: GeneratorName
    model: str
    claims: tuple[Claim, ...] = ()
    citations: tuple[Citation, ...] = ()
    nearest: tuple[NearestPassage, ...] = ()
    named: tuple[str, ...] = ()
    """Ids of the documents that the text names by title."""


@dataclass
class Trace:
    """The working notes of one question; a record and an answer are made from them."""

    question: Question
    kind: str = "answer"
    """`answer` or `summary`, as it is recorded."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    query: Query | None = None
    asked: str | None = None
    """What is answered of a question whose other parts the evidence does not answer."""
    unanswered: tuple[str, ...] = ()
    """Those other parts, as they were asked."""
    hits: tuple[ScoredChunk, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    judges: Json = field(default_factory=dict)
    """What weighed the evidence, as it is recorded; empty where the question did not come that far."""
    verdicts: list[Verdict] = field(default_factory=list)
    index_seq: int = 0
    timings_ms: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    def step(self, name: str, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Generator[Event, None, T]:
        """Run one step, add its time under its name, and tell that it ended."""
        began = time.perf_counter()
        try:
            result = call(*args, **kwargs)
        finally:
            ms = (time.perf_counter() - began) * 1000
            self.add(name, ms)
        yield StageDone(name, round(ms, 3))
        return result

    def add(self, name: str, ms: float) -> None:
        """Add milliseconds to a step."""
        self.timings_ms[name] = round(self.timings_ms.get(name, 0.0) + ms, 3)

    @property
    def standalone(self) -> str:
        """The question as it stands without its conversation, and without what is not answered of it."""
        if self.asked is not None:
            return self.asked
        return self.query.text if self.query and self.question.history else self.question.text

    def asked_of(self, generator: GeneratorName) -> str:
        """Return the question for a generator: only a model server reads it along with the conversation."""
        return self.asked or self.question.text if generator == "vllm" else self.standalone

    def judged(self, verdicts: Sequence[Verdict]) -> Verdict | None:
        """Keep what rails said; returns the first that blocks."""
        self.verdicts.extend(verdicts)
        return next((verdict for verdict in verdicts if verdict.action == "block"), None)

    def answer(self, conclusion: Conclusion) -> Answer:
        """Return the answer of a conclusion."""
        timings = {**self.timings_ms, "total": round((time.perf_counter() - self.started) * 1000, 3)}
        return Answer(
            id=self.id,
            outcome=conclusion.outcome,
            text=conclusion.text,
            reason=conclusion.reason,
            claims=conclusion.claims,
            citations=conclusion.citations,
            rails=strictest(self.verdicts),
            model=conclusion.model,
            generator=conclusion.generator,
            index_seq=self.index_seq,
            timings_ms=timings,
            question=self.question.text,
            query=self.query.text if self.query else "",
            conversation_id=self.question.conversation_id,
            nearest=conclusion.nearest,
            named=conclusion.named,
            unanswered=self.unanswered if conclusion.outcome == "answered" else (),
        )
