"""Which machine scores the vectors: the protocol, the CPU, and the choice between them."""

from __future__ import annotations

from typing import Protocol

from core.errors import InvalidInput
from core.settings import Settings
from models.devices import pick_device
from retriever.coarse import CoarseRows
from retriever.vectors import Rows, Vectors, VectorView, search_rows

COARSE_FROM = 30_000
"""Permitted rows from which codes pay for the second scoring."""
COARSE_QUERIES = 4
"""Above so many queries a matrix product uses the processor better than a scan."""


class DenseSearch(Protocol):
    """Exact search by inner product over chosen rows; safe to call from several threads."""

    name: str

    def search(self, view: VectorView, queries: Vectors, rows: Rows, k: int) -> tuple[Rows, Vectors]:
        """Return the best `k` of `rows` for each query: rows and scores, (q, min(k, len(rows))), best first."""
        ...

    def close(self) -> None:
        """Release what the search holds."""
        ...


class CpuSearch:
    """Blocked matrix products for few rows or many queries, 8-bit codes before exact scores for one over many."""

    name = "cpu"

    def __init__(self) -> None:
        self._coarse = CoarseRows() if CoarseRows.available() else None

    def search(self, view: VectorView, queries: Vectors, rows: Rows, k: int) -> tuple[Rows, Vectors]:
        """Return the best `k` of `rows` for each query."""
        if self._coarse is None or len(queries) > COARSE_QUERIES or len(rows) < COARSE_FROM:
            return search_rows(view, queries, rows, k)
        return self._coarse.search(view, queries, rows, k)

    def close(self) -> None:
        """Stop the scanning threads."""
        if self._coarse is not None:
            self._coarse.close()


def make_dense_search(settings: Settings) -> DenseSearch:
    """Return the search of `retrieval.index` and `retrieval.backend`; `auto` is the GPU where there is one.

    Raises:
        InvalidInput: `gpu` was asked for and there is none.
    """
    backend = settings.retrieval.backend
    if settings.retrieval.index == "milvus":
        from retriever.milvus_search import MilvusSearch

        return MilvusSearch(settings)
    if backend == "cpu" or pick_device() == "cpu":
        if backend == "gpu":
            raise InvalidInput("retrieval.backend is gpu and this machine has no CUDA device; set it to auto or cpu")
        return CpuSearch()
    from retriever.gpu import GpuSearch

    return GpuSearch("cuda")
