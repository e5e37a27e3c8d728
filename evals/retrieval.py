"""Retrieval on BEIR sets: the product's own ingestion and retriever, judged document by document."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.db.session import Database
from core.errors import InvalidInput
from core.settings import load_settings
from core.types import OPERATOR, Mode, Query, ScoredChunk
from evals import metrics
from evals.cases import CorpusRow, limited, read_corpus, read_qrels, read_queries
from evals.embedding_cache import CachedEncoder
from evals.home import operator_config, throwaway_home
from evals.progress import tracked
from evals.store import fill_from_corpus
from models.encoder import load_encoder
from retriever.rerank import wants_rerank
from retriever.retriever import Retriever

DEPTH = 100  # documents judged per query: recall@100 is the deepest figure
CHUNKS_PER_DOCUMENT = 3  # chunks asked for per judged document, so that long documents do not shorten the list
WARM_UP_QUERIES = 3  # the first queries pay for caches and are not timed


@dataclass(frozen=True, slots=True)
class RetrievalOptions:
    """How to search: `None` leaves the choice to the settings."""

    mode: Mode | None = None
    rerank: bool | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class RankedQuery:
    """What one query gave: documents best first, and how long it took."""

    query: str
    documents: tuple[str, ...]
    ms: float


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """A corpus, the queries that have a relevant document in it, and the grades."""

    corpus: list[CorpusRow]
    queries: list[tuple[str, str]]
    grades: Mapping[str, Mapping[str, int]]

    @classmethod
    def read(cls, corpus: Path, queries: Path, qrels: Path) -> RetrievalSet:
        """Read the three files of a BEIR set.

        Raises:
            InvalidInput: a file is malformed, or no query has a relevant document.
        """
        grades = read_qrels(qrels)
        texts = {name: text for name, text in read_queries(queries).items() if _has_relevant(grades, name)}
        if not texts:
            raise InvalidInput(f"no query of {queries} has a relevant document in {qrels}")
        return cls(read_corpus(corpus), sorted(texts.items()), grades)


def measure_retrieval(corpus: Path, queries: Path, qrels: Path, options: RetrievalOptions) -> dict[str, Any]:
    """Fill a throw-away store with a corpus, search it with every judged query, and return the figures.

    Raises:
        InvalidInput: a file is malformed, or `rerank` is asked for and no reranker is configured.
    """
    named = RetrievalSet.read(corpus, queries, qrels)
    wants_rerank(load_settings(config=operator_config()).retrieval, options.rerank)  # before the store is filled
    with filled_retriever(named) as retriever:
        return measure_with(retriever, named, options)


@contextmanager
def filled_retriever(named: RetrievalSet) -> Iterator[Retriever]:
    """Yield the retriever of a throw-away store that holds the corpus."""
    with throwaway_home() as settings:
        database = Database.open(settings)
        encoder = load_encoder(settings.embedder)
        cached: Any = CachedEncoder(encoder)
        try:
            fill_from_corpus(named.corpus, database=database, settings=settings, encoder=cached)
            retriever = Retriever.open(database, settings, encoder, follow=False)
            try:
                yield retriever
            finally:
                retriever.close()
        finally:
            database.close()


def measure_with(retriever: Retriever, named: RetrievalSet, options: RetrievalOptions) -> dict[str, Any]:
    """Search with every judged query and return the figures."""
    ranked = list(search_all(retriever, limited(named.queries, options.limit), options))
    return summarise(ranked, named.grades) | {"mode": options.mode, "documents": len(named.corpus)}


def _has_relevant(grades: Mapping[str, Mapping[str, int]], query: str) -> bool:
    return any(grade > 0 for grade in grades.get(query, {}).values())


def search_all(
    retriever: Retriever, queries: list[tuple[str, str]], options: RetrievalOptions
) -> Iterator[RankedQuery]:
    """Search with each query, embedding it anew; the time covers everything from text to authorised hits."""

    def search(text: str) -> tuple[ScoredChunk, ...]:
        depth = DEPTH * CHUNKS_PER_DOCUMENT
        found = retriever.retrieve(Query(text), OPERATOR, k=depth, mode=options.mode, rerank=options.rerank)
        return found.hits

    for _, text in queries[:WARM_UP_QUERIES]:
        search(text)
    for identifier, text in tracked(queries, "search"):
        started = time.perf_counter()
        hits = search(text)
        yield RankedQuery(identifier, documents_of(hits), (time.perf_counter() - started) * 1000)


def documents_of(hits: Iterable[ScoredChunk]) -> tuple[str, ...]:
    """Return the sources of hits, each at the rank of its best chunk; a folded copy follows the one it repeats."""
    return tuple(dict.fromkeys(source for hit in hits for source in (hit.source, *hit.also_in)))[:DEPTH]


def summarise(ranked: list[RankedQuery], grades: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Average the figures over queries."""
    pairs = [(result.documents, grades[result.query]) for result in ranked]
    times = [result.ms for result in ranked]
    return {
        "ndcg@10": metrics.mean(metrics.ndcg(found, wanted, 10) for found, wanted in pairs),
        "recall@10": metrics.mean(metrics.recall(found, wanted, 10) for found, wanted in pairs),
        "recall@100": metrics.mean(metrics.recall(found, wanted, 100) for found, wanted in pairs),
        "mrr@10": metrics.mean(metrics.reciprocal_rank(found, wanted, 10) for found, wanted in pairs),
        "queries": len(ranked),
        "p50_ms": metrics.percentile(times, 50),
        "p95_ms": metrics.percentile(times, 95),
    }
