"""A byte a dimension first, float32 after: one query over many rows at a fraction of the memory traffic.

Rows are kept a second time as 8-bit codes (FAISS's scalar quantizer) in blocks that never change once full, so a search
needs no lock and the blocks are scanned side by side; rows after the last full block are scored exactly. What the codes
rank highest is scored again in float32. FAISS's CPU scan honours an ID selector, its GPU indexes do not: permission
is a bitmap here and rows again in `retriever.gpu`.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retriever.vectors import Rows, Vectors, VectorView, search_rows

BLOCK = 1 << 14
"""Rows of a block, 6 MB of codes at 384 dimensions: few rows are left over to be scored exactly."""
FETCH = 2
"""Rows taken by code for every row wanted; the best hundred of a hundred thousand text vectors are all among them."""
FETCH_MORE = 64


class CoarseRows:
    """The coded copy of a vector index, extended as views grow; safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epoch = -1
        self._blocks: tuple[Any, ...] = ()
        self._pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="coarse", initializer=_alone)

    @staticmethod
    def available() -> bool:
        """Whether FAISS is installed."""
        return importlib.util.find_spec("faiss") is not None

    def search(self, view: VectorView, queries: Vectors, rows: Rows, k: int) -> tuple[Rows, Vectors]:
        """Return the best `k` of `rows` for each query, best first; shapes as `search_rows`."""
        k = min(k, len(rows))
        blocks = self._upto(view)
        covered = len(blocks) * BLOCK
        tail, _ = search_rows(view, queries, rows[np.searchsorted(rows, covered) :], k)
        coded = self._by_code(blocks, queries, _bitmaps(rows, covered), FETCH * k + FETCH_MORE)
        found = [_exact(view, query, np.union1d(*both), k) for query, *both in zip(queries, coded, tail, strict=True)]
        return np.stack([one for one, _ in found]), np.stack([scores for _, scores in found])

    def close(self) -> None:
        """Stop the scanning threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _by_code(
        self, blocks: Sequence[Any], queries: Vectors, bitmaps: Sequence[NDArray[np.uint8] | None], fetch: int
    ) -> list[Rows]:
        """Return for each query the rows whose codes score best."""
        if not blocks:
            return [np.empty(0, dtype=np.int64) for _ in queries]
        scans = list(self._pool.map(lambda block, bitmap: _scan(block, bitmap, queries, fetch), blocks, bitmaps))
        scores = np.concatenate([found for found, _ in scans], axis=1)
        rows = np.concatenate([np.where(at >= 0, at + n * BLOCK, -1) for n, (_, at) in enumerate(scans)], axis=1)
        keep = min(fetch, scores.shape[1])
        best = np.argpartition(-scores, keep - 1, axis=1)[:, :keep]
        chosen = np.take_along_axis(rows, best, axis=1)
        return [one[one >= 0] for one in chosen]

    def _upto(self, view: VectorView) -> tuple[Any, ...]:
        """Return the full blocks of a view, coding those that became full since the last search."""
        needed = len(view.ids) // BLOCK
        with self._lock:
            if self._epoch != view.epoch:
                self._epoch, self._blocks = view.epoch, ()
            for block in range(len(self._blocks), needed):
                self._blocks = (*self._blocks, _code(view.matrix[block * BLOCK : (block + 1) * BLOCK]))
            return self._blocks[:needed]


def _alone() -> None:
    """Let a scan use its own thread alone: another of FAISS's would spin for a share of one query."""
    _faiss().omp_set_num_threads(1)


def _code(rows: Vectors) -> Any:
    faiss = _faiss()
    index = faiss.IndexScalarQuantizer(rows.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    index.train(rows)
    index.add(rows)
    return index


def _scan(block: Any, bitmap: NDArray[np.uint8] | None, queries: Vectors, fetch: int) -> tuple[Vectors, Rows]:
    faiss = _faiss()

    if bitmap is None:
        scores, rows = block.search(queries, min(fetch, BLOCK))
    else:
        parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bitmap))
        scores, rows = block.search(queries, min(fetch, BLOCK), params=parameters)
    return scores, rows


def _faiss() -> Any:
    """Return FAISS without its stubs, which know the C++ signatures and not the Python ones."""
    import faiss

    return faiss


def _bitmaps(rows: Rows, covered: int) -> list[NDArray[np.uint8] | None]:
    """Return the permitted rows of each block as bits, `None` for a block that is permitted whole."""
    allowed = np.zeros(covered, dtype=np.bool_)
    allowed[rows[: np.searchsorted(rows, covered)]] = True
    parts = allowed.reshape(-1, BLOCK)
    return [None if part.all() else np.packbits(part, bitorder="little") for part in parts]


def _exact(view: VectorView, query: Vectors, rows: Rows, k: int) -> tuple[Rows, Vectors]:
    scores = view.matrix[rows] @ query
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]
