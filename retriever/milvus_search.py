"""Search in Milvus: rows whose vectors lie in a collection, and the search that asks it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.db.session import Database
from core.settings import Settings
from retriever.log import as_matrix, stored_vectors
from retriever.milvus import client_of, translated
from retriever.vectors import Keys, Rows, VectorIndex, Vectors, VectorView

MOST = 16_384
"""Milvus returns at most so many hits."""
EXTRA = 16
"""Hits asked for beyond k, for those another process has added or removed since this one looked."""
SAMPLE = 4096
"""Vectors whose mean stands for that of all."""
EXPRESSIONS_KEPT = 64
EF_SHARE = 2
"""Candidates an HNSW search follows for every hit wanted."""


class MilvusRows(VectorIndex):
    """The keys of the rows, without their vectors, which lie in a collection."""

    def __init__(self, database: Database, dimension: int, collection: str) -> None:
        self._database, self._columns, self._collection = database, dimension, collection
        self._mean_sum, self._mean_of = np.zeros(dimension, dtype=np.float64), 0
        super().__init__(0)

    def take(self, ids: Keys, versions: Keys) -> None:
        """Make rows of keys read from a snapshot; a sample of their vectors gives the mean."""
        super().take(ids, versions)
        sample = ids[:: max(1, len(ids) // SAMPLE)].tolist()
        with self._database.read() as session:
            vectors = list(stored_vectors(session, sample).values())
        with self._lock:
            if vectors:
                self._weigh(as_matrix(vectors, self._columns))
            self._view = self._make_view()

    def add(self, ids: Keys, versions: Keys, vectors: Vectors) -> None:
        """Add rows; of the vectors only their mean is kept here."""
        with self._lock:
            self._weigh(vectors)
        super().add(ids, versions, vectors[:, :0])

    def _weigh(self, vectors: Vectors) -> None:
        self._mean_sum += vectors.sum(axis=0, dtype=np.float64)
        self._mean_of += len(vectors)

    def _make_view(self) -> VectorView:
        view = super()._make_view()
        stored = StoredRows(self._database, self._collection, view.ids, self._columns)
        centroid = (self._mean_sum / max(1, self._mean_of)).astype(np.float32)
        return replace(view, matrix=cast(Vectors, stored), centroid=centroid)


class StoredRows:
    """Stands where a view's matrix stands: `rows[which]` fetches those vectors from SQL."""

    def __init__(self, database: Database, collection: str, ids: Keys, dimension: int) -> None:
        self._database, self._ids, self._dimension = database, ids, dimension
        self.collection = collection

    def __getitem__(self, rows: Rows) -> Vectors:
        wanted = self._ids[rows].tolist()
        with self._database.read() as session:
            found = stored_vectors(session, sorted(set(wanted)))
        missing = np.zeros(self._dimension, dtype="<f4").tobytes()  # purged a moment ago: it is not authorised either
        return as_matrix([found.get(chunk_id, missing) for chunk_id in wanted], self._dimension)


class MilvusSearch:
    """Search in the collection a view belongs to; permission goes along as a filter expression."""

    name = "milvus"

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self._kept: OrderedDict[int, tuple[Rows, str]] = OrderedDict()

    def search(self, view: VectorView, queries: Vectors, rows: Rows, k: int) -> tuple[Rows, Vectors]:
        """Return the best `k` of `rows` for each query: rows and scores, (q, at most k), best first.

        Raises:
            IndexMissing: Milvus cannot be reached, or the collection is being built anew.
        """
        k = min(k, len(rows), MOST - EXTRA)
        if k == 0:
            return np.empty((len(queries), 0), dtype=np.int64), np.empty((len(queries), 0), dtype=np.float32)
        parameters = {"ef": EF_SHARE * (k + EXTRA)} if self._settings.milvus.kind == "HNSW" else {}
        with translated("the vector index cannot be searched just now"):
            answers = client_of(self._settings).search(
                cast(StoredRows, view.matrix).collection,
                data=[query.tolist() for query in queries],
                filter=self._expression(view, rows),
                limit=k + EXTRA,
                output_fields=["chunk"],
                search_params={"metric_type": "IP", "params": parameters},
            )
        allowed = np.zeros(len(view.ids), dtype=np.bool_)
        allowed[rows] = True
        found = [_own_rows(view, allowed, hits, k) for hits in answers]
        width = min(len(one) for one, _ in found)
        return np.stack([one[:width] for one, _ in found]), np.stack([scores[:width] for _, scores in found])

    def close(self) -> None:
        """Release nothing: the connection is the process's."""

    def _expression(self, view: VectorView, rows: Rows) -> str:
        """Return the filter that lets through the versions of rows; kept as long as the rows are."""
        with self._lock:
            kept = self._kept.get(id(rows))
            if kept is not None:
                return kept[1]
        wanted, there = np.unique(view.versions[rows]), np.unique(view.versions[view.alive])
        expression = ""
        if len(wanted) < len(there):
            few = len(wanted) <= len(there) // 2
            named = wanted if few else np.setdiff1d(there, wanted, assume_unique=True)
            expression = f"version {'in' if few else 'not in'} {named.tolist()}"
        with self._lock:
            self._kept[id(rows)] = (rows, expression)  # the rows are held, so that their id stays theirs
            while len(self._kept) > EXPRESSIONS_KEPT:
                self._kept.popitem(last=False)
        return expression


def _own_rows(view: VectorView, allowed: NDArray[np.bool_], hits: Any, k: int) -> tuple[Rows, Vectors]:
    """Return the best `k` hits that are rows of the view and among those allowed."""
    ids = np.array([hit["chunk"] for hit in hits], dtype=np.int64)
    scores = np.array([hit["distance"] for hit in hits], dtype=np.float32)
    rows = view.positions(ids)
    keep = np.flatnonzero((rows >= 0) & allowed[np.where(rows >= 0, rows, 0)])
    rows, scores = rows[keep], scores[keep]
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]
