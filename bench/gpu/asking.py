"""Whole answers over a model server: what Attest adds before the model's first piece, and what it keeps of its pace.

Questions go through the pipeline as the API runs it (input rails, retrieval, retrieval rail, reader, draft,
verification, output rails, record); then the prompts it sent are sent again bare, with as many at once.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from sqlalchemy import select

from app.ask import ask_events
from app.events import ClaimReleased, Concluded
from app.runtime import Runtime, answer_many
from core.db.models import Document
from core.settings import load_settings
from core.types import OPERATOR, Evidence, GeneratorName, Message, Question
from generation.cite import parse_draft
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
    sentence_s: float = 0.0
    """When its first sentence was whole."""
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
        yield from timed(self.inner.draft(question, evidence, history), sent, self.asking.since)


def timed(pieces: Iterator[str], sent: Sent, since: float) -> Iterator[str]:
    """Yield the pieces and note when the first came, and when the first sentence was whole: as the next one began."""
    text = ""
    for piece in pieces:
        now = time.perf_counter() - since
        sent.first_s = sent.first_s or now
        sent.pieces += 1
        text += piece
        if not sent.sentence_s and len(parse_draft(text, ())) > 1:
            sent.sentence_s = now
        yield piece
    sent.sentence_s = sent.sentence_s or time.perf_counter() - since


def measure_asking(
    url: str, home: Path, concurrency: Sequence[int], requests: int, task: str = "auto"
) -> Iterator[dict[str, Any]]:
    """Yield one row of figures for each concurrency; `home` holds ingested documents and is not changed."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(home, Path(folder) / "home")
        answer_many()
        with opened(url, copy, task) as (runtime, spied, topics):
            asked(runtime, spied, questions_about(topics, 32, seed=0), 8)
            for places in concurrency:
                yield _row(runtime, spied, topics, places, max(places, min(requests, 4 * places)))


@contextmanager
def opened(url: str, home: Path, task: str) -> Iterator[tuple[Runtime, Spied, list[str]]]:
    """Open a home before a model server: the warm runtime, the generator that is watched, and what to ask about."""
    settings = load_settings(home)
    changes = {"vllm_urls": (f"{url}/v1",), "max_tokens": 64, "task": task}
    generation = settings.generation.model_copy(update=changes)
    with Runtime(settings.model_copy(update={"generation": generation})) as runtime:
        spied = Spied(runtime.generator("vllm"))
        runtime._parts["generator:vllm"] = runtime._parts["generator:auto"] = spied
        runtime.warm()
        yield runtime, spied, _topics(runtime)


def _row(runtime: Runtime, spied: Spied, topics: Sequence[str], places: int, requests: int) -> dict[str, Any]:
    seconds, outcomes, stages, claims = asked(runtime, spied, questions_about(topics, requests, seed=places), places)
    sent = [one for one in spied.sent if one.pieces]
    if not sent:
        raise SystemExit(f"no question reached the model, so there is nothing to compare: {outcomes}")
    bare, bare_seconds = _bare(spied.inner, sent, places)
    pieces, bare_pieces = sum(one.pieces for one in sent), sum(one.pieces for one in bare)
    first, bare_first = percentiles([one.first_s for one in sent]), percentiles([one.first_s for one in bare])
    sentence = percentiles([one.sentence_s for one in bare])
    claim = percentiles(claims) if claims else None
    return {
        "concurrency": places,
        "questions": requests,
        "outcomes": outcomes,
        "reached_the_model": len(sent),
        "first_piece_ms": first,
        "first_piece_bare_ms": bare_first,
        "added_p95_ms": round(first["p95"] - bare_first["p95"], 1),
        "first_claim_ms": claim,
        "first_sentence_bare_ms": sentence,
        "claim_added_p95_ms": round(claim["p95"] - sentence["p95"], 1) if claim else None,
        "questions_per_s": round(requests / seconds, 1),
        "bare_replies_per_s": round(len(bare) / bare_seconds, 1),
        "pieces_per_s": round(pieces / seconds),
        "bare_pieces_per_s": round(bare_pieces / bare_seconds),
        "throughput_kept": round(pieces / seconds / (bare_pieces / bare_seconds), 3),
        "stages_p50_ms": {name: round(median(times), 2) for name, times in stages.items()},
        "stages_p95_ms": {name: percentiles([ms / 1e3 for ms in times])["p95"] for name, times in stages.items()},
    }


def asked(
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


def _bare(generator: Generator, sent: Sequence[Sent], places: int) -> tuple[list[Sent], float]:
    """Send the same prompts without the pipeline, in another order, so that no prefix is warmer than before."""

    def one(prompt: Sent) -> Sent:
        again = Sent(prompt.question + " ", prompt.evidence, prompt.history)
        draft = generator.draft(again.question, again.evidence, again.history)
        for _ in timed(draft, again, time.perf_counter()):
            pass
        return again

    shuffled = random.Random(1).sample(list(sent), len(sent))
    started = time.perf_counter()
    with ThreadPoolExecutor(places) as pool:
        found = list(pool.map(one, shuffled))
    return found, time.perf_counter() - started


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th percentile in milliseconds."""
    spread = quantiles(seconds, n=20) if len(seconds) > 1 else [*seconds] * 19
    return {"p50": round(median(seconds) * 1e3, 1), "p95": round(spread[-1] * 1e3, 1)}


def _topics(runtime: Runtime) -> list[str]:
    """Return the titles of the documents, as people would name them in a question."""
    with runtime.database.read() as session:
        titles = session.scalars(select(Document.title)).all()
    return sorted({title.split("|")[0].strip().lower() for title in titles if title and len(title) < 60})


def questions_about(topics: Sequence[str], count: int, seed: int) -> list[str]:
    """Return questions about the documents, no two alike."""
    chance = random.Random(seed)
    return [f"{chance.choice(TEMPLATES).format(chance.choice(topics))} ({seed}.{n})" for n in range(count)]
