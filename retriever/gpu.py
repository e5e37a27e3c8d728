"""Search on a GPU: the vectors stay resident in half precision, one thread owns them, requests share launches.

FAISS's GPU resources are not thread-safe even for reads and its GPU indexes ignore ID selectors, so permission never
goes through an index: selective principals search a gathered sub-matrix, broad ones a masked product. What the GPU
finds in half precision is scored again in float32, so that the order is exact. A fault answers from the CPU.
"""

from __future__ import annotations

import importlib.util
import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from retriever.vectors import GATHER_SHARE, Rows, Vectors, VectorView, search_rows

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)
BATCH_WAIT_S = 0.002
"""Longest wait for company, and only while requests overlap; a lone request never waits."""
BATCH_QUERIES = 1024
EXTRA = 32
"""Rows fetched beyond k, because half precision may swap neighbours at the cut."""
FAISS_K = 2048
"""FAISS's GPU selection returns at most so many."""
GROUP = 64
"""Rows whose best score stands for them in the first step of selection."""
BLOCK_SCORES = 1 << 30
"""Scores held at once, 2 GB in half precision."""
UPLOAD_ROWS = 1 << 16
GATHERED = 8
"""Sub-matrices kept on the GPU for the principals seen lately."""
RETRY_AFTER_S = 30.0
FAULTS_TO_GIVE_UP = 3
Found = tuple[Rows, Vectors]
Kernel = Literal["product", "faiss"]
"""`faiss.knn_gpu` is the peer that the bench compares with: seven to seventeen times slower on one query."""


@dataclass(eq=False)
class _Request:
    view: VectorView
    queries: Vectors
    rows: Rows
    k: int
    answer: Future[Found] = field(default_factory=Future)

    def joins(self, other: _Request) -> bool:
        """Whether both can share a launch: the same rows of the same moment."""
        return self.view.token == other.view.token and self.rows is other.rows


class GpuSearch:
    """Exact search over a resident matrix; `faults` counts the requests that fell back to the CPU."""

    name = "gpu"

    def __init__(self, device: str, kernel: Kernel = "product") -> None:
        self.faults = 0
        self._resident = _Resident(device, kernel)
        self._broken = 0
        self._resume_at = 0.0
        self._queue: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._overlapping = False
        self._thread = threading.Thread(target=self._own, name="gpu-search", daemon=True)
        self._thread.start()

    def search(self, view: VectorView, queries: Vectors, rows: Rows, k: int) -> Found:
        """Return the best `k` of `rows` for each query."""
        request = _Request(view, queries, rows, min(k, len(rows)))
        if request.k == 0 or request.k + EXTRA > FAISS_K or not self._thread.is_alive():
            return search_rows(view, queries, rows, k)
        self._queue.put(request)
        return request.answer.result()

    def close(self) -> None:
        """Stop the owner thread and free the GPU's memory."""
        self._queue.put(None)
        self._thread.join()
        self._resident.drop()

    def _own(self) -> None:
        """Serve requests until closed; the only thread that touches the GPU."""
        last = False
        while not last and (first := self._queue.get()) is not None:
            batch, last = self._company(first)
            for group in _groups(batch):
                try:
                    self._answer(group)
                except Exception as error:  # noqa: BLE001 - the thread's edge: whoever waits must hear of it
                    for request in group:
                        if not request.answer.done():
                            request.answer.set_exception(error)

    def _company(self, first: _Request) -> tuple[list[_Request], bool]:
        """Take what else is waiting, and whether the end is among it."""
        batch = [first]
        deadline = time.perf_counter() + (BATCH_WAIT_S if self._overlapping else 0.0)
        last = False
        while not last and sum(len(request.queries) for request in batch) < BATCH_QUERIES:
            try:
                wait = deadline - time.perf_counter()
                following = self._queue.get(timeout=wait) if wait > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                last = True
            else:
                batch.append(following)
        self._overlapping = len(batch) > 1
        return batch, last

    def _answer(self, group: Sequence[_Request]) -> None:
        queries = np.concatenate([request.queries for request in group])
        k = max(request.k for request in group)
        view, rows = group[0].view, group[0].rows
        found = self._on_gpu(view, queries, rows, k)
        if found is None:
            self.faults += len(group)
            found = search_rows(view, queries, rows, k)
        start = 0
        for request in group:
            part = slice(start, start + len(request.queries))
            request.answer.set_result((found[0][part, : request.k], found[1][part, : request.k]))
            start = part.stop

    def _on_gpu(self, view: VectorView, queries: Vectors, rows: Rows, k: int) -> Found | None:
        """Search on the GPU, `None` after a fault; it is tried again later, and given up after a few faults."""
        if self._broken >= FAULTS_TO_GIVE_UP or time.monotonic() < self._resume_at:
            return None
        try:
            fetched = self._resident.search(view, queries, rows, min(k + EXTRA, len(rows)))
        except (RuntimeError, MemoryError) as error:  # what torch, CUDA and FAISS raise
            self._broken += 1
            self._resume_at = time.monotonic() + RETRY_AFTER_S
            self._resident.drop()
            logger.error("GPU search failed (%d of %d): %s", self._broken, FAULTS_TO_GIVE_UP, error)
            return None
        self._broken = 0
        return _exact(view, queries, fetched, k)


class _Resident:
    """The matrix on the device; touched by one thread only."""

    def __init__(self, device: str, kernel: Kernel) -> None:
        self._device = device
        self._faiss = kernel == "faiss" and device == "cuda" and faiss_gpu_installed()
        self._matrix: Tensor | None = None
        self._filled = 0
        self._epoch = -1
        self._resources: Any = None
        self._gathered: OrderedDict[tuple[int, int], tuple[Rows, Tensor]] = OrderedDict()

    def search(self, view: VectorView, queries: Vectors, rows: Rows, k: int) -> Rows:
        """Return the best `k` rows for each query as half precision sees them, shape (q, k), in no promised order."""
        import torch

        matrix = self._at(view)
        asked = torch.from_numpy(queries).to(self._device, matrix.dtype)
        if len(rows) == len(matrix):
            return self._nearest(asked, matrix, k)
        if len(rows) <= GATHER_SHARE * len(matrix):
            return rows[self._nearest(asked, self._sub_matrix(view, matrix, rows), k)]
        hidden = torch.ones(len(matrix), dtype=torch.bool, device=self._device)
        hidden[torch.from_numpy(rows).to(self._device)] = False
        return _by_product(asked, matrix, k, hidden)

    def drop(self) -> None:
        """Free everything on the device."""
        self._matrix, self._filled, self._epoch, self._resources = None, 0, -1, None
        self._gathered.clear()

    def _at(self, view: VectorView) -> Tensor:
        """Return the resident rows of a view, uploading those it does not hold yet."""
        import torch

        needed = len(view.ids)
        if view.epoch != self._epoch:
            self.drop()
            self._epoch = view.epoch
        if self._matrix is None or needed > len(self._matrix):
            dtype = torch.float16 if self._device == "cuda" else torch.float32
            grown = torch.empty((needed * 5 // 4 + 1024, view.matrix.shape[1]), dtype=dtype, device=self._device)
            if self._matrix is not None:
                grown[: self._filled] = self._matrix[: self._filled]
            self._matrix = grown
        for start in range(self._filled, needed, UPLOAD_ROWS):
            stop = min(needed, start + UPLOAD_ROWS)
            self._matrix[start:stop] = torch.from_numpy(np.ascontiguousarray(view.matrix[start:stop])).to(self._device)
        self._filled = max(self._filled, needed)
        return self._matrix[:needed]

    def _sub_matrix(self, view: VectorView, matrix: Tensor, rows: Rows) -> Tensor:
        """Return the permitted rows side by side, kept while the same set is asked for."""
        import torch

        key = (view.token, id(rows))
        if key not in self._gathered:
            chosen = matrix[torch.from_numpy(rows).to(self._device)]
            self._gathered[key] = (rows, chosen)  # holding `rows` keeps its id from being used again
            while len(self._gathered) > GATHERED:
                self._gathered.popitem(last=False)
        self._gathered.move_to_end(key)
        return self._gathered[key][1]

    def _nearest(self, queries: Tensor, matrix: Tensor, k: int) -> Rows:
        if not self._faiss:
            return _by_product(queries, matrix, k, None)
        import faiss
        import faiss.contrib.torch_utils

        if self._resources is None:
            self._resources = faiss.StandardGpuResources()
        _, found = faiss.knn_gpu(self._resources, queries, matrix, k, metric=faiss.METRIC_INNER_PRODUCT)
        nearest: Rows = found.cpu().numpy()
        return nearest


def faiss_gpu_installed() -> bool:
    """Whether the FAISS that is installed can use a GPU."""
    if importlib.util.find_spec("faiss") is None:
        return False
    import faiss

    return hasattr(faiss, "StandardGpuResources")


def _by_product(queries: Tensor, matrix: Tensor, k: int, hidden: Tensor | None) -> Rows:
    """Return the best `k` rows of each query through one matrix product a block of queries."""
    import torch

    step = max(1, BLOCK_SCORES // max(1, len(matrix)))
    found = []
    for start in range(0, len(queries), step):
        scores = queries[start : start + step] @ matrix.T
        if hidden is not None:
            scores.masked_fill_(hidden, float("-inf"))
        found.append(_select(scores, k))
    best: Rows = torch.cat(found).cpu().numpy()
    return best


def _select(scores: Tensor, k: int) -> Tensor:
    """Return the columns of the best `k` scores of each row, reading the scores once.

    The best `k` lie in the `k` groups with the best maxima, so only those are looked into: exact, and far fewer
    passes over memory than a selection over everything. A group's columns lie far apart, so that neighbouring threads
    read neighbouring scores: on an H200 five times as fast as groups of neighbours.
    """
    import torch

    rows, columns = scores.shape
    whole = columns // GROUP
    if whole <= 2 * k:
        return scores.topk(k, dim=1).indices
    groups = scores[:, : whole * GROUP].view(rows, GROUP, whole)
    chosen = groups.amax(dim=1).topk(k, dim=1).indices
    inside = (chosen.unsqueeze(2) + torch.arange(GROUP, device=scores.device) * whole).flatten(1)
    rest = torch.arange(whole * GROUP, columns, device=scores.device).expand(rows, -1)
    among = torch.cat([inside, rest], dim=1)
    return among.gather(1, scores.gather(1, among).topk(k, dim=1).indices)


def _exact(view: VectorView, queries: Vectors, fetched: Rows, k: int) -> Found:
    """Score what was fetched in float32 and keep the best `k`, best first, equal scores in row order."""
    scores = np.stack([view.matrix[rows] @ query for rows, query in zip(fetched, queries, strict=True)])
    order = np.lexsort((fetched, -scores), axis=1)[:, :k]
    return np.take_along_axis(fetched, order, axis=1), np.take_along_axis(scores, order, axis=1)


def _groups(batch: Sequence[_Request]) -> list[list[_Request]]:
    groups: list[list[_Request]] = []
    for request in batch:
        home = next((group for group in groups if group[0].joins(request)), None)
        if home is None:
            groups.append([request])
        else:
            home.append(request)
    return groups
