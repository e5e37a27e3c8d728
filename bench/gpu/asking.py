"""Whole answers over a model server: what Attest adds before the model's first piece, and what it keeps of its pace.

Questions go through the pipeline as the API runs it (input rails, retrieval, retrieval rail, reader, draft,
verification, output rails, record); then the prompts it sent are sent again bare, with as many at once.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from sqlalchemy import select

from app.ask import ask_events
from app.events import ClaimReleased, Concluded
from app.runtime import Runtime
from core.db.models import Document
from core.settings import load_settings
from core.types import OPERATOR, Evidence, GeneratorName, Message, Question
from generation.generators import Generator

TEMPLATES = (
    "What does the handbook say about {}?",
    "Who is responsible for {}?",
    "How does {} work here?",
    "What are the rules for {}?",
    "When do I need {}?",
)


@dataclass
class Sent:
    """One prompt as the pipeline sent it, and when its first piece came, in seconds after the question."""

    question: str
    evidence: tuple[Evidence, ...]
    history: tuple[Message, ...]
    first_s: float = 0.0
    pieces: int = 0


@dataclass
class Spied:
    """A generator that remembers what it was asked and when it began to answer."""

    inner: Generator
    asking: threading.local = field(default_factory=threading.local)
    sent: list[Sent] = field(default_factory=list)

    @property
    def name(self) -> GeneratorName:
        """The inner one's."""
        return self.inner.name

    @property
    def model(self) -> str:
        """The inner one's."""
        return self.inner.model

    def draft(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> Iterator[str]:
        """Yield the inner draft and note its first piece."""
        sent = Sent(question, tuple(evidence), tuple(history))
        self.sent.append(sent)
        for piece in self.inner.draft(question, evidence, history):
            sent.first_s = sent.first_s or time.perf_counter() - self.asking.since
            sent.pieces += 1
            yield piece


def measure_asking(url: str, home: Path, concurrency: Sequence[int], requests: int) -> list[dict[str, Any]]:
    """Return one row of figures for each concurrency; `home` holds ingested documents and is not changed."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(home, Path(folder) / "home")
        settings = load_settings(copy)
        generation = settings.generation.model_copy(update={"vllm_urls": (f"{url}/v1",), "max_tokens": 64})
        with Runtime(settings.model_copy(update={"generation": generation})) as runtime:
            spied = Spied(runtime.generator("vllm"))
            runtime._parts["generator:vllm"] = runtime._parts["generator:auto"] = spied
            topics = _topics(runtime)
            _asked(runtime, spied, _questions(topics, 32, seed=0), 8)
            counts = [max(places, min(requests, 4 * places)) for places in concurrency]
            return [_row(runtime, spied, topics, *pair) for pair in zip(concurrency, counts, strict=True)]


def _row(runtime: Runtime, spied: Spied, topics: Sequence[str], places: int, requests: int) -> dict[str, Any]:
    seconds, outcomes, stages, claims = _asked(runtime, spied, _questions(topics, requests, seed=places), places)
    sent = [one for one in spied.sent if one.pieces]
    if not sent:
        raise SystemExit(f"no question reached the model, so there is nothing to compare: {outcomes}")
    bare_firsts, bare_pieces, bare_seconds = _bare(spied.inner, sent, places)
    firsts = [one.first_s for one in sent]
    pieces = sum(one.pieces for one in sent)
    return {
        "concurrency": places,
        "questions": requests,
        "outcomes": outcomes,
        "reached_the_model": len(sent),
        "first_piece_ms": _percentiles(firsts),
        "first_piece_bare_ms": _percentiles(bare_firsts),
        "added_p95_ms": round(_percentiles(firsts)["p95"] - _percentiles(bare_firsts)["p95"], 1),
        "first_claim_ms": _percentiles(claims) if claims else None,
        "questions_per_s": round(requests / seconds, 1),
        "pieces_per_s": round(pieces / seconds),
        "bare_pieces_per_s": round(bare_pieces / bare_seconds),
        "throughput_kept": round(pieces / seconds / (bare_pieces / bare_seconds), 3),
        "stages_p50_ms": {name: round(median(times), 2) for name, times in stages.items()},
    }


def _asked(
    runtime: Runtime, spied: Spied, questions: Sequence[str], places: int
) -> tuple[float, dict[str, int], dict[str, list[float]], list[float]]:
    """Ask everything, so many at once; return seconds, outcomes, times of each step and of each first claim."""
    stages: dict[str, list[float]] = defaultdict(list)
    outcomes: dict[str, int] = defaultdict(int)
    claims: list[float] = []
    spied.sent.clear()

    def one(text: str) -> None:
        start = spied.asking.since = time.perf_counter()
        first = 0.0
        for event in ask_events(runtime, Question(text, OPERATOR, generator="vllm")):
            if isinstance(event, ClaimReleased) and not first:
                first = time.perf_counter() - start
                claims.append(first)
            if isinstance(event, Concluded):
                outcomes[event.answer.outcome] += 1
                for name, ms in event.answer.timings_ms.items():
                    stages[name].append(ms)

    started = time.perf_counter()
    with ThreadPoolExecutor(places) as pool:
        list(pool.map(one, questions))
    return time.perf_counter() - started, dict(outcomes), stages, claims


def _bare(generator: Generator, sent: Sequence[Sent], places: int) -> tuple[list[float], int, float]:
    """Send the same prompts without the pipeline, in another order, so that no prefix is warmer than before."""

    def one(prompt: Sent) -> tuple[float, int]:
        start, first, pieces = time.perf_counter(), 0.0, 0
        for _ in generator.draft(prompt.question + " ", prompt.evidence, prompt.history):
            first = first or time.perf_counter() - start
            pieces += 1
        return first, pieces

    shuffled = random.Random(1).sample(list(sent), len(sent))
    started = time.perf_counter()
    with ThreadPoolExecutor(places) as pool:
        found = list(pool.map(one, shuffled))
    return [first for first, _ in found], sum(pieces for _, pieces in found), time.perf_counter() - started


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    spread = quantiles(seconds, n=20) if len(seconds) > 1 else [*seconds] * 19
    return {"p50": round(median(seconds) * 1e3, 1), "p95": round(spread[-1] * 1e3, 1)}


def _topics(runtime: Runtime) -> list[str]:
    """Return the titles of the documents, as people would name them in a question."""
    with runtime.database.read() as session:
        titles = session.scalars(select(Document.title)).all()
    return sorted({title.split("|")[0].strip().lower() for title in titles if title and len(title) < 60})


def _questions(topics: Sequence[str], count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [f"{chance.choice(TEMPLATES).format(chance.choice(topics))} ({seed}.{n})" for n in range(count)]


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print the figures as JSON lines."""
    for row in rows:
        print(json.dumps(row), flush=True)
