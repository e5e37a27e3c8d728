"""Multi-turn questions: the last turn is rewritten with what went before, then searched and answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.ask import ask
from core.types import OPERATOR, Filters, Question
from evals import metrics
from evals.answers import Material, open_store
from evals.cases import Case, limited, read_cases
from evals.judging import refusals
from evals.progress import tracked
from evals.retrieval import documents_of
from evals.store import COLLECTION
from generation.rewrite import rewrite

DEPTH = 10
CHUNKS_PER_DOCUMENT = 3


def measure_conversations(corpus: Path, conversations: Path, limit: int | None) -> dict[str, Any]:
    """Search and answer the last turn of every conversation with its history, and return the figures.

    Ranks are judged on tasks that the corpus answers and whose passages are known; refusals on all that say whether
    the corpus answers them.
    """
    cases = limited(read_cases(conversations), limit)
    found: list[tuple[tuple[str, ...], dict[str, int]]] = []
    declined: list[tuple[bool, bool]] = []
    with open_store(Material(corpus=corpus), conversations) as (runtime, _):
        runtime.warm()
        filters = Filters(collection=COLLECTION)
        for case in tracked(cases, "converse"):
            question = Question(case.question, OPERATOR, filters, history=case.history)
            answer = ask(runtime, question)
            if case.answerable is not None:
                declined.append((answer.outcome != "answered", case.answerable))
            if grades := _grades(case):
                query = rewrite(
                    question, runtime.generator(question.generator)
                )  # as `ask` does, also where a rail stopped it before
                depth = DEPTH * CHUNKS_PER_DOCUMENT
                hits = runtime.retriever.retrieve(query, OPERATOR, filters=filters, k=depth).hits
                found.append((documents_of(hits), grades))
    return _summary(found) | {"tasks": len(cases), "searched_tasks": len(found)} | refusals(declined)


def _grades(case: Case) -> dict[str, int]:
    return dict.fromkeys(case.documents, 1) if case.answerable else {}


def _summary(found: list[tuple[tuple[str, ...], dict[str, int]]]) -> dict[str, float | None]:
    return {
        "recall@5": metrics.mean(metrics.recall(ranked, grades, 5) for ranked, grades in found),
        "recall@10": metrics.mean(metrics.recall(ranked, grades, 10) for ranked, grades in found),
        "ndcg@10": metrics.mean(metrics.ndcg(ranked, grades, 10) for ranked, grades in found),
        "mrr@10": metrics.mean(metrics.reciprocal_rank(ranked, grades, 10) for ranked, grades in found),
    }
