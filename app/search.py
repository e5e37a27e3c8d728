"""A search and what became of a document in it, in their wire form."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from core.types import Filters, Json, Mode, Principal, Query, Retrieval, ScoredChunk

if TYPE_CHECKING:
    from app.runtime import Runtime


def search_json(query: str, retrieval: Retrieval) -> Json:
    """Return the hits of a search, best first."""
    return {
        "query": query,
        "hits": [_hit(rank, hit) for rank, hit in enumerate(retrieval.hits, start=1)],
        "timings_ms": dict(retrieval.timings_ms),
        "index_seq": retrieval.index_seq,
    }


def explained(
    runtime: Runtime,
    question: str,
    principal: Principal,
    document: str,
    filters: Filters,
    *,
    k: int | None = None,
    mode: Mode | None = None,
) -> Json:
    """Return the step at which a document, by id or source, is lost for a question, up to what a generator is shown.

    `k` and `mode` are those of the search asked about, the settings' without them.
    """
    from generation.evidence import select_evidence

    query = Query(question)
    found: Json = runtime.retriever.explain(query, principal, document, filters=filters, k=k, mode=mode).to_json()
    rank = found["ranks"].get("returned")
    if rank is None:
        return found
    retrieval = runtime.retriever.retrieve(query, principal, filters=filters, k=k, mode=mode)
    hit = retrieval.hits[rank - 1] if rank <= len(retrieval.hits) else None
    shown = {item.hit.chunk.id for item in select_evidence(retrieval, runtime.settings)}
    if hit is not None and hit.chunk.id not in shown:
        detail = f"it is hit {rank}, and the better ones fill the window of the generator (generation.context_tokens)"
        return found | {"stage": "evidence", "detail": detail}
    return found


def _hit(rank: int, hit: ScoredChunk) -> Json:
    chunk = hit.chunk
    return {
        "rank": rank,
        "score": hit.score,
        "document_id": chunk.document_id,
        "version": chunk.version,
        "title": hit.title,
        "source": hit.source,
        "collection": hit.collection,
        "page": chunk.page,
        "start": chunk.start,
        "end": chunk.end,
        "heading": chunk.heading,
        "text": chunk.text,
        "scores": asdict(hit.scores),
        "chunk_id": chunk.id,
        "updated_at": hit.updated_at.isoformat(),
        "also_in": list(hit.also_in),
    }
