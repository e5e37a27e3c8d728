"""Whole answers on question sets: documents ingested, questions asked through `app.ask`, citations checked."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.ask import ask
from app.runtime import Runtime, open_runtime
from core.errors import InvalidInput
from core.types import OPERATOR, Filters, GeneratorChoice, Question, ScoredChunk
from evals.cases import Case, limited, read_cases, read_corpus
from evals.embedding_cache import CachedEncoder
from evals.home import throwaway_home
from evals.judging import HIT_DEPTH, Judge, Judged, summarise
from evals.progress import require_folder, tracked
from evals.store import COLLECTION, Store, fill_from_corpus, fill_from_folders
from generation.rewrite import rewrite


@dataclass(frozen=True, slots=True)
class Material:
    """What the questions are asked of: folders of documents, or a corpus of rows."""

    folders: tuple[Path, ...] = ()
    corpus: Path | None = None


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How to ask: which generator, how many questions, which field scopes a question, where details go."""

    generator: GeneratorChoice = "auto"
    limit: int | None = None
    scope: str | None = None
    details: Path | None = None


def measure_answers(material: Material, questions: Path, options: AnswerOptions) -> dict[str, Any]:
    """Fill a throw-away store, ask every question, and return the figures."""
    require_folder(options.details)
    cases = limited(read_cases(questions), options.limit)
    if not cases:
        raise InvalidInput(f"{questions} holds no question")
    with open_store(material, questions) as (runtime, store):
        judge = Judge(store)
        runtime.warm()
        judged = list(_judge_all(runtime, store, judge, cases, options))
        settings = runtime.settings.generation.generator
    result = summarise(judged) | {"generator": options.generator if options.generator != "auto" else settings}
    judge.warn()
    return result | {"unplaced_evidence": judge.unplaced, "changed_evidence": judge.changed}


@contextmanager
def open_store(material: Material, questions: Path, *, calibrated: bool = True) -> Iterator[tuple[Runtime, Store]]:
    """Yield the runtime of a throw-away home that holds the material; `calibrated` as the operator's is."""
    if bool(material.folders) == bool(material.corpus):
        raise InvalidInput("give either --docs or --corpus")
    with throwaway_home(calibrated=calibrated) as settings, open_runtime(settings, follow=False) as runtime:
        encoder: Any = CachedEncoder(runtime.encoder)
        if material.corpus is not None:
            rows = read_corpus(material.corpus)
            store = fill_from_corpus(rows, database=runtime.database, settings=settings, encoder=encoder)
        else:
            store = fill_from_folders(
                material.folders, questions, database=runtime.database, settings=settings, encoder=encoder
            )
        runtime.retriever.sync()
        yield runtime, store


def _judge_all(
    runtime: Runtime, store: Store, judge: Judge, cases: list[Case], options: AnswerOptions
) -> Iterator[Judged]:
    details: list[dict[str, Any]] = []
    for case in tracked(cases, "ask"):
        filters = filters_of(case, store, options.scope)
        started = time.perf_counter()
        question = Question(case.question, OPERATOR, filters, generator=options.generator, history=case.history)
        answer = ask(runtime, question)
        ms = (time.perf_counter() - started) * 1000
        row = judge.judge(case, answer, find(runtime, question), ms)
        if options.details is not None:
            details.append(
                {"id": case.id, "judged": asdict(row), "case": dict(case.fields), "answer": answer.to_json()}
            )
        yield row
    if options.details is not None:
        lines = (json.dumps(row, ensure_ascii=False, default=str) for row in details)
        options.details.write_text("\n".join(lines) + "\n", encoding="utf-8")


def filters_of(case: Case, store: Store, scope: str | None) -> Filters:
    """Return what narrows a case's search: with a scope, the documents of the row's value of that field."""
    if scope is not None and scope not in case.fields:
        raise InvalidInput(f"row {case.id} has no field {scope!r} to scope by")
    value = None if scope is None else case.fields[scope]
    if scope is None or value is None:  # a row that names no document is asked of all of them
        return Filters(collection=COLLECTION)
    named = [value] if scope == "doc" else [case.fields.get("doc"), *case.documents]
    return Filters(collection=COLLECTION, document_ids=store.scoped(scope, value, map(str, filter(None, named))))


def find(runtime: Runtime, question: Question) -> tuple[ScoredChunk, ...]:
    """Return the best passages for a question, rewritten as `ask` does, also where a rail stopped it before."""
    query = rewrite(question, runtime.generator(question.generator))
    return runtime.retriever.retrieve(query, question.principal, filters=question.filters, k=HIT_DEPTH).hits
