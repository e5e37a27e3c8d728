"""What both indexes found, scored by both: the rows that fusion ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.types import Mode, Scores
from retriever.fusion import fuse
from retriever.lexical import LexicalHits, LexicalIndex, Words
from retriever.permitted import Permitted
from retriever.vectors import Rows, Vectors, VectorView

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Chunk ids with their rows, both scores (NaN where that side gave none) and the fused one, best first."""

    ids: NDArray[np.int64]
    rows: Rows
    """-1 for a chunk that is not among the vectors."""
    dense: Floats
    lexical: Floats
    fused: Floats

    def scores(self, at: int) -> Scores:
        """Return the scores of the candidate at a position."""
        return Scores(_number(self.dense[at]), _number(self.lexical[at]), float(self.fused[at]))


def gather(dense_ids: NDArray[np.int64], lexical: LexicalHits, carried: Sequence[int], mode: Mode) -> NDArray[np.int64]:
    """Return the distinct chunk ids of a search in a stable order."""
    found = {
        "dense": [dense_ids],
        "lexical": [lexical.ids],
        "hybrid": [dense_ids, lexical.ids],
    }[mode]
    everything = np.concatenate([*found, np.array(carried, dtype=np.int64)])
    return np.unique(everything)


def dense_scores(view: VectorView, rows: Rows, query: Vectors) -> Floats:
    """Return the inner product of each row with the query, shape (n,), NaN for -1, a chunk not in the index."""
    scores: Floats = (view.matrix[np.where(rows >= 0, rows, 0)] @ query).astype(np.float32)
    scores[rows < 0] = np.nan
    return scores


def lexical_scores(
    index: LexicalIndex, ids: NDArray[np.int64], words: Words, known: LexicalHits | None = None
) -> Floats:
    """Return the BM25 score of each chunk, shape (n,), 0 where it shares no term; `known` need no looking up again."""
    scores = np.zeros(len(ids), dtype=np.float32)
    unknown = np.ones(len(ids), dtype=np.bool_)
    if known is not None and len(known.ids):
        order = np.argsort(known.ids)
        at = np.minimum(np.searchsorted(known.ids, ids, sorter=order), len(order) - 1)
        unknown = known.ids[order[at]] != ids
        scores[~unknown] = known.scores[order[at[~unknown]]]
    found = index.score(words, ids[unknown].tolist())
    scores[unknown] = [found.get(chunk_id, 0.0) for chunk_id in ids[unknown].tolist()]
    return scores


def rank(
    ids: NDArray[np.int64], rows: Rows, dense: Floats, lexical: Floats, *, floor: float, dense_weight: float
) -> Candidates:
    """Return candidates best first by their fused scores; equal scores by chunk id."""
    return ranked(ids, rows, dense, lexical, fuse(dense, lexical, floor=floor, dense_weight=dense_weight))


def ranked(ids: NDArray[np.int64], rows: Rows, dense: Floats, lexical: Floats, fused: Floats) -> Candidates:
    """Return candidates best first by given scores; equal scores by chunk id."""
    order = np.lexsort((ids, -fused))
    return Candidates(ids[order], rows[order], dense[order], lexical[order], fused[order])


def permitted_carry(carry: Sequence[int], view: VectorView, permitted: Permitted) -> list[int]:
    """Return the carried chunk ids that are in the index and may be ranked."""
    if not carry:
        return []
    ids = np.array(carry, dtype=np.int64)
    rows = view.positions(ids)
    ids, rows = ids[rows >= 0], rows[rows >= 0]
    kept: list[int] = ids[permitted.allows(view.versions[rows])].tolist()
    return kept


def _number(value: np.float32) -> float | None:
    return None if np.isnan(value) else float(value)
