"""Search for passages, and say where a document was lost."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.description import gives
from app.auth import Asking, Parts
from app.replies import Hits
from app.schemas import ExplainBody, SearchBody
from app.search import explained, search_json
from core.types import Json, Query
from retriever.explain import Explanation

router = APIRouter(prefix="/v1", tags=["search"])


@router.post("/search", responses=gives(Hits))
def search(body: SearchBody, principal: Asking, runtime: Parts) -> Json:
    """Return the passages the caller may read, best first."""
    retrieval = runtime.retriever.retrieve(
        Query(body.query),
        principal,
        filters=body.filters.filters(body.collection),
        k=body.k,
        mode=body.mode,
        rerank=body.rerank,
        min_seq=body.min_seq,
    )
    return search_json(body.query, retrieval)


@router.post("/explain", responses=gives(Explanation))
def explain(body: ExplainBody, principal: Asking, runtime: Parts) -> Json:
    """Say at which step a document the caller may read was lost for a question."""
    filters = body.filters.filters(body.collection)
    return explained(runtime, body.question, principal, body.document_id, filters, k=body.k, mode=body.mode)
