"""Attest's retriever as a LangChain retriever, so that chains and agents use it as any other."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from core.errors import InvalidInput
from core.types import Filters, Mode, Principal, Query, ScoredChunk
from retriever.retriever import Retriever


class AttestRetriever(BaseRetriever):
    """Passages that one principal may read, as LangChain documents with their citation in `metadata`.

    `k` may be given here or to `invoke`, which takes nothing else: whoever asks as another principal or within other
    filters makes a retriever of its own. A principal is always named: there is no default that sees everything.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    retriever: Retriever
    principal: Principal
    k: int = 8
    filters: Filters = Filters()
    mode: Mode | None = None
    rerank: bool | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None, **unknown: Any
    ) -> list[Document]:
        if unknown:
            names = ", ".join(sorted(unknown))
            raise InvalidInput(f"{names}: not an argument of a search; give it to AttestRetriever(…)")
        k = self.k if k is None else k
        if k < 1:
            raise InvalidInput(f"k must be at least 1, and is {k}")
        found = self.retriever.retrieve(
            Query(query),
            self.principal,
            filters=self.filters,
            k=k,
            mode=self.mode,
            rerank=self.rerank,
        )
        return [_document(hit) for hit in found.hits]


def _document(hit: ScoredChunk) -> Document:
    chunk = hit.chunk
    return Document(
        id=str(chunk.id),
        page_content=chunk.text,
        metadata={
            "document_id": chunk.document_id,
            "version": chunk.version,
            "title": hit.title,
            "source": hit.source,
            "collection": hit.collection,
            "heading": chunk.heading,
            "page": chunk.page,
            "start": chunk.start,
            "end": chunk.end,
            "score": hit.score,
            "also_in": list(hit.also_in),
        },
    )
