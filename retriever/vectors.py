"""The vectors in memory: a matrix that grows in place, with tombstones, and exact search over permitted rows."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Keys = NDArray[np.int64]
Rows = NDArray[np.int64]
COMPACT_SHARE = 0.2
"""Dead rows beyond this share are dropped by copying the live ones together."""
HEADROOM = 4
"""Room is kept for one row more in every so many; pages nobody wrote to cost address space, not memory."""
GATHER_SHARE = 0.5
"""Up to this share of permitted rows, gathering them costs less than scoring every row."""
BLOCK_SCORES = 1 << 22
"""Scores computed at once, 16 MB of float32: a block that stays near the cache."""
SEED_ROWS = 1 << 10
"""Rows scored first, to know from which score on a row is worth keeping."""
ROUNDING = 1e-5
"""By how much, against 1 or their size, two sums of the same products may differ that were added in another order."""
_tokens = itertools.count()


@dataclass(frozen=True, eq=False)
class VectorView:
    """A moment of the index that later changes do not touch."""

    ids: Keys
    versions: Keys
    matrix: Vectors
    alive: NDArray[np.bool_]
    count: int
    token: int
    """Names this moment, so that row sets computed for it can be kept."""
    epoch: int
    """Within one epoch a row keeps its content; copies elsewhere only need the rows added since."""

    centroid: Vectors
    """The mean of the live vectors, shape (dimension,)."""
    row_of: Mapping[int, int]
    """Chunk id to row; may run ahead of this moment, so `positions` checks what it finds."""

    def positions(self, chunk_ids: Keys) -> Rows:
        """Return the live row of each chunk id, -1 where there is none."""
        if not len(self.ids):
            return np.full(len(chunk_ids), -1, dtype=np.int64)
        # Ids mostly lie in ascending order: one search finds them, and the table only what it does not.
        rows = np.minimum(np.searchsorted(self.ids, chunk_ids), len(self.ids) - 1)
        for at in np.flatnonzero((self.ids[rows] != chunk_ids) | ~self.alive[rows]).tolist():
            row = self.row_of.get(int(chunk_ids[at]), -1)
            rows[at] = row if 0 <= row < len(self.ids) and self.alive[row] else -1
        return rows


class VectorIndex:
    """The writer's side; readers take `view()` and are never blocked by a change."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._lock = threading.Lock()
        self._matrix = np.empty((0, dimension), dtype=np.float32)
        self._ids = np.empty(0, dtype=np.int64)
        self._versions = np.empty(0, dtype=np.int64)
        self._alive = np.empty(0, dtype=np.bool_)
        self._row_of: dict[int, int] = {}
        self._used = 0
        self._epoch = next(_tokens)
        self._sum = np.zeros(dimension, dtype=np.float64)
        self._view = self._make_view()

    def view(self) -> VectorView:
        """Return the present moment of the index."""
        return self._view

    def room(self, count: int) -> Vectors:
        """Return the place of the next `count` rows, shape (count, dimension), to be written and then `take`n."""
        with self._lock:
            self._reserve(self._used + count)
            return self._matrix[self._used : self._used + count]

    def take(self, ids: Keys, versions: Keys) -> None:
        """Make rows of what was written into the room; the ids are new.

        Raises:
            ValueError: an id occurs twice or is there already.
        """
        with self._lock:
            fresh = set(ids.tolist())
            if len(fresh) != len(ids) or not fresh.isdisjoint(self._row_of):
                raise ValueError("an id occurs twice")
            self._append(ids, versions, None)
            self._view = self._make_view()

    def add(self, ids: Keys, versions: Keys, vectors: Vectors) -> None:
        """Add rows, shape (n, dimension); ids already present are skipped."""
        with self._lock:
            fresh = [at for at, chunk_id in enumerate(ids.tolist()) if chunk_id not in self._row_of]
            if fresh:
                self._append(ids[fresh], versions[fresh], vectors[fresh])
            self._view = self._make_view()

    def remove(self, ids: Sequence[int]) -> None:
        """Drop rows by chunk id; ids that are not there are ignored."""
        with self._lock:
            rows = [row for row in (self._row_of.pop(chunk_id, None) for chunk_id in ids) if row is not None]
            if not rows:
                return
            self._sum -= self._matrix[rows].sum(axis=0, dtype=np.float64)
            alive = self._alive.copy()  # a view taken earlier keeps the old one
            alive[rows] = False
            self._alive = alive
            if self._used - len(self._row_of) > COMPACT_SHARE * self._used:
                self._compact()
            self._view = self._make_view()

    def _append(self, ids: Keys, versions: Keys, vectors: Vectors | None) -> None:
        """Make rows of vectors, or of what lies in the room already where none are given."""
        end = self._used + len(ids)
        self._reserve(end)
        rows = slice(self._used, end)
        if vectors is not None:
            self._matrix[rows] = vectors
        self._ids[rows], self._versions[rows], self._alive[rows] = ids, versions, True
        self._row_of.update(zip(ids.tolist(), range(self._used, end), strict=True))
        self._sum += self._matrix[rows].sum(axis=0, dtype=np.float64)
        self._used = end

    def _reserve(self, rows: int) -> None:
        """Make room for so many rows in all, and some more, by one copy at most."""
        capacity = len(self._ids)
        if rows > capacity:
            self._grow(max(rows + rows // HEADROOM, capacity * 3 // 2, 1024))

    def _grow(self, capacity: int) -> None:
        used = self._used
        for name in ("_matrix", "_ids", "_versions", "_alive"):
            old = getattr(self, name)
            new = np.zeros((capacity, *old.shape[1:]), dtype=old.dtype)
            new[:used] = old[:used]
            setattr(self, name, new)

    def _compact(self) -> None:
        keep = np.flatnonzero(self._alive[: self._used])
        self._matrix, self._ids, self._versions = self._matrix[keep], self._ids[keep], self._versions[keep]
        self._alive = np.ones(len(keep), dtype=np.bool_)
        self._used = len(keep)
        self._epoch = next(_tokens)
        self._row_of = dict(zip(self._ids.tolist(), range(len(keep)), strict=True))  # older views keep theirs

    def _make_view(self) -> VectorView:
        used = self._used
        return VectorView(
            ids=self._ids[:used],
            versions=self._versions[:used],
            matrix=self._matrix[:used],
            alive=self._alive[:used],
            count=len(self._row_of),
            token=next(_tokens),
            epoch=self._epoch,
            centroid=(self._sum / max(1, len(self._row_of))).astype(np.float32),
            row_of=self._row_of,
        )


def search_rows(view: VectorView, queries: Vectors, rows: Rows, k: int) -> tuple[Rows, Vectors]:
    """Return the best `k` of `rows` for each query by inner product, exactly.

    `queries` is (q, dimension); the result is rows and scores, both (q, min(k, len(rows))), best first, equal
    scores in row order.
    """
    k = min(k, len(rows))
    if k == 0:
        return np.empty((len(queries), 0), dtype=np.int64), np.empty((len(queries), 0), dtype=np.float32)
    floor = _floor(view.matrix[rows[: max(k, SEED_ROWS)]], queries, k)
    if len(rows) > GATHER_SHARE * len(view.ids):
        allowed = np.zeros(len(view.ids), dtype=np.bool_)
        allowed[rows] = True
        return _search_blocks(view.matrix, queries, k, floor, None if allowed.all() else ~allowed)
    best, scores = _search_blocks(view.matrix[rows], queries, k, floor, None)
    return rows[best], scores


def _floor(some: Vectors, queries: Vectors, k: int) -> Vectors:
    """Return what the `k`-th best of all rows scores at least, (q,): what it scores among some of them."""
    least = np.partition(queries @ some.T, len(some) - k, axis=1)[:, -k]
    return np.asarray(least - ROUNDING * (1 + np.abs(least)), dtype=np.float32)


def _search_blocks(
    matrix: Vectors, queries: Vectors, k: int, floor: Vectors, hidden: NDArray[np.bool_] | None
) -> tuple[Rows, Vectors]:
    """Search block by block; of each only the few scores that reach the best `k` so far are looked at again."""
    step = max(1, BLOCK_SCORES // max(1, len(queries)))
    asked, rows = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    scores: Vectors = np.empty(0, dtype=np.float32)
    for start in range(0, len(matrix), step):
        block = matrix[start : start + step] @ queries.T
        if hidden is not None:
            block[hidden[start : start + step]] = -np.inf
        hits = np.flatnonzero(block >= floor)
        at, which = np.divmod(hits, len(queries))
        asked, rows = np.concatenate([asked, which]), np.concatenate([rows, at + start])
        scores = np.concatenate([scores, block.ravel()[hits]])
        order = np.lexsort((rows, -scores, asked))
        first = np.searchsorted(asked[order], np.arange(len(queries)))
        order = order[np.arange(len(order)) - first[asked[order]] < k]
        asked, rows, scores = asked[order], rows[order], scores[order]
        last = np.searchsorted(asked, np.arange(len(queries)), side="right") - 1
        full = np.bincount(asked, minlength=len(queries)) == k
        floor[full] = np.maximum(floor[full], scores[last[full]])
    return rows.reshape(len(queries), k), scores.reshape(len(queries), k)
