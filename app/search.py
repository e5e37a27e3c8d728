"""The wire form of a search."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from core.types import Json, Retrieval, ScoredChunk

if TYPE_CHECKING:
    from retriever.explain import Explanation


def search_json(query: str, retrieval: Retrieval) -> Json:
    """Return the hits of a search, best first."""
    return {
        "query": query,
        "hits": [_hit(rank, hit) for rank, hit in enumerate(retrieval.hits, start=1)],
        "timings_ms": dict(retrieval.timings_ms),
        "index_seq": retrieval.index_seq,
    }


def explain_json(explanation: Explanation) -> Json:
    """Return where a document was lost."""
    result: Json = explanation.to_json()
    return result


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
