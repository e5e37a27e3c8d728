"""A whole hybrid search, question embedded, beside LangChain's EnsembleRetriever over the same passages.

    .venv/bin/pip install --target PEERS --no-deps -r bench/peers-requirements.txt
    PYTHONPATH=PEERS python -m bench.hybrid D/ir/vaswani D/ir/scifact [--chunks 100000] [--queries 60] [--plot FILE]

The BEIR sets named make one store, with their own vectors. Quality is judged there, by nDCG@10 of each set's
documents. Then the store is grown to `--chunks` with passages spliced out of two of its own, whose vector is the mean
of the two and noise, so that lengths, words and neighbourhoods stay those of text. The questions are put to ours alone,
before the peer is loaded, then to both in turn. The peer's parts are its usual ones (BM25Retriever, FAISS,
sentence-transformers) over the same texts and vectors.
Overhead is what a search takes beyond embedding the question and asking both indexes. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bench.spliced import Passages, grow
from core.db.session import Database
from core.errors import MissingExtra
from core.settings import Settings
from core.types import OPERATOR, Query
from evals import metrics
from evals.cases import limited
from evals.embedding_cache import CachedEncoder
from evals.home import throwaway_home
from evals.retrieval import RetrievalSet, documents_of
from evals.store import fill_from_corpus
from models.encoder import Encoder, load_encoder
from models.sources import find_weights
from retriever.retriever import Retriever

DEPTH = 100
"""Passages each part of the peer returns: as many candidates as ours asks of each index."""
WARM_UP = 3
Search = Callable[[str], Sequence[str]]
"""A question to the sources of what was found, best first."""


def main() -> None:
    """Measure by the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--judged", type=int, help="judge quality by this many questions of each set")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    sets = {folder.name: _read(folder, options.judged) for folder in options.folders}
    with throwaway_home() as settings:
        database, encoder = Database.open(settings), load_encoder(settings.embedder)
        try:
            report = measure(sets, settings, database, encoder, options.chunks, options.queries)
        finally:
            database.close()
    if options.plot is not None:
        plot(report["at_size"], options.plot)
    print(json.dumps(report, indent=1))


def measure(
    sets: dict[str, RetrievalSet],
    settings: Settings,
    database: Database,
    encoder: Encoder,
    chunks: int,
    queries: int,
) -> dict[str, Any]:
    """Judge both over the sets as they are, then time both over the grown store."""
    cached: Any = CachedEncoder(encoder)
    corpus = [row for named in sets.values() for row in named.corpus]
    fill_from_corpus(corpus, database=database, settings=settings, encoder=cached)
    with opened(database, settings, encoder) as retriever:
        ours, theirs = ours_of(retriever, DEPTH), ensemble(Passages.of(database), settings)
        quality = {name: {"ours": _ndcg(ours, named), "ensemble": _ndcg(theirs, named)} for name, named in sets.items()}
    _log(f"quality {json.dumps(quality)}")
    own = Passages.of(database)
    grow(database, *own.spliced(max(0, chunks - len(own.texts))))
    asked = [text for named in sets.values() for _, text in named.queries]
    asked = random.Random(1).sample(asked, min(queries, len(asked)))
    with opened(database, settings, encoder) as retriever:
        by_itself = alone(retriever, asked)
        grown = Passages.of(database)
        _log(f"{len(grown.texts)} passages")
        figures = timed(retriever, ensemble(grown, settings), asked)
    size = {"chunks": len(grown.texts), "queries": len(asked)}
    return {"quality": quality, "at_size": size | {"alone": by_itself} | figures}


@contextmanager
def opened(database: Database, settings: Settings, encoder: Encoder) -> Iterator[Retriever]:
    """Yield a retriever with its indexes complete."""
    retriever = Retriever.open(database, settings, encoder, follow=False)
    try:
        yield retriever
    finally:
        retriever.close()


def ours_of(retriever: Retriever, k: int) -> Search:
    """Return our search."""
    return lambda text: documents_of(retriever.retrieve(Query(text), OPERATOR, k=k, mode="hybrid").hits)


def ensemble(passages: Passages, settings: Settings) -> Search:
    """Return LangChain's: BM25 and FAISS at equal weights, the question embedded by sentence-transformers."""
    try:
        classic = import_module("langchain_classic.retrievers")
        community = import_module("langchain_community.retrievers")
        stores = import_module("langchain_community.vectorstores")
    except ImportError as error:
        raise MissingExtra(None, "langchain-classic langchain-community") from error
    from langchain_core.embeddings import Embeddings
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(find_weights(settings.embedder.model)), device="cpu", local_files_only=True)

    class Embedder(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text: str) -> list[float]:
            vector: list[float] = model.encode(text, show_progress_bar=False, normalize_embeddings=True).tolist()
            return vector

    sources = [{"source": source} for source in passages.sources]
    words = community.BM25Retriever.from_texts(passages.texts, metadatas=sources)
    words.k = DEPTH
    pairs = zip(passages.texts, passages.vectors.tolist(), strict=True)
    meaning = stores.FAISS.from_embeddings(pairs, Embedder(), metadatas=sources).as_retriever(
        search_kwargs={"k": DEPTH}
    )
    both = classic.EnsembleRetriever(retrievers=[words, meaning], weights=[0.5, 0.5])
    return lambda text: list(dict.fromkeys(found.metadata["source"] for found in both.invoke(text)))


def alone(retriever: Retriever, asked: Sequence[str]) -> dict[str, Any]:
    """Put each question to ours, as a process does that serves nothing else; milliseconds."""
    for text in asked[:WARM_UP]:
        _stages(retriever, text)
    stages = [_stages(retriever, text) for text in asked]
    return {"ours": _spread([one["total"] for one in stages])} | _steps(stages)


def timed(retriever: Retriever, theirs: Search, asked: Sequence[str]) -> dict[str, Any]:
    """Put each question to both in turn; milliseconds. Each finds the processor's caches as the other leaves them."""
    for text in asked[:WARM_UP]:
        _stages(retriever, text)
        theirs(text)
    ours: list[float] = []
    peer: list[float] = []
    stages: list[dict[str, float]] = []
    for text in asked:
        start = time.perf_counter()
        stages.append(_stages(retriever, text))
        middle = time.perf_counter()
        theirs(text)
        ours.append((middle - start) * 1000)
        peer.append((time.perf_counter() - middle) * 1000)
    return {
        "ours": _spread(ours),
        "ensemble": _spread(peer),
        "ensemble_over_ours": statistics.median(peer) / statistics.median(ours),
        **_steps(stages),
        "ms": {"ours": ours, "ensemble": peer},
    }


def _stages(retriever: Retriever, text: str) -> dict[str, float]:
    return dict(retriever.retrieve(Query(text), OPERATOR, k=8, mode="hybrid").timings_ms)


def _steps(stages: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return the median of each step, and what a search takes beyond embedding and asking both indexes."""
    beyond = [one["total"] - one["embed"] - one["dense"] - one["lexical"] for one in stages]
    medians = {name: statistics.median(one.get(name, 0.0) for one in stages) for name in stages[0]}
    return {"overhead": _spread(beyond), "stages_p50": medians}


def plot(found: dict[str, Any], path: Path) -> None:
    """Draw the share of questions answered within a time, for both."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), dpi=120)
    names = {"ours": "Attest, hybrid", "ensemble": "LangChain EnsembleRetriever"}
    for name, label in names.items():
        times = np.sort(found["ms"][name])
        axes.step(times, (np.arange(len(times)) + 1) / len(times), where="post", label=label)
    axes.set(xscale="log", xlabel=f"ms, {found['chunks']:,} passages, 2 cores", ylabel="share of questions")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def _read(folder: Path, judged: int | None) -> RetrievalSet:
    """Read a set, its document ids made its own: sets count from 1."""
    found = RetrievalSet.read(folder / "corpus.jsonl", folder / "queries.dev.jsonl", folder / "qrels.dev.tsv")
    corpus = [replace(row, id=f"{folder.name}/{row.id}") for row in found.corpus]
    grades = {
        query: {f"{folder.name}/{name}": grade for name, grade in wanted.items()}
        for query, wanted in found.grades.items()
    }
    return RetrievalSet(corpus, limited(found.queries, judged), grades)


def _ndcg(search: Search, named: RetrievalSet) -> float | None:
    return metrics.mean(metrics.ndcg(tuple(search(text)), named.grades[name], 10) for name, text in named.queries)


def _spread(times: Sequence[float]) -> dict[str, float | None]:
    return {"p50": metrics.percentile(times, 50), "p95": metrics.percentile(times, 95)}


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
