"""Rerankers: score (query, passage) pairs together, more exactly and more slowly than the indexes can."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput
from core.settings import RetrievalSettings, Settings
from core.types import ScoredChunk
from models.devices import pick_device
from models.sources import find_weights


class Reranker(Protocol):
    """Scores passages for a query; higher is better."""

    name: str

    def score(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """Return one score a passage, shape (n,)."""
        ...


class CrossEncoderReranker:
    """Any sentence-transformers cross-encoder, by hub name or path."""

    def __init__(self, name: str, device: str) -> None:
        self.name = name
        self._folder = find_weights(name)
        self._device = device
        self._lock = threading.Lock()
        self._model: Any = None

    def score(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """Return one score a passage, shape (n,)."""
        model = self._loaded()
        scores = model.predict([(query, passage) for passage in passages], show_progress_bar=False)
        return np.asarray(scores, dtype=np.float32).reshape(len(passages))

    def _loaded(self) -> Any:
        with self._lock:
            if self._model is None:
                from sentence_transformers import CrossEncoder

                self._model = CrossEncoder(str(self._folder), device=self._device, local_files_only=True)
            return self._model


def make_reranker(settings: Settings) -> Reranker | None:
    """Return the configured reranker, `None` where none is named.

    Raises:
        NotFound: the one named is not on this machine.
    """
    name = settings.retrieval.reranker
    return None if name is None else CrossEncoderReranker(name, pick_device(settings.embedder.device))


def wants_rerank(settings: RetrievalSettings, asked: bool | None) -> bool:
    """Return whether to rerank: as `asked`, or as the settings say where nothing is.

    Raises:
        InvalidInput: it is wanted and no reranker is configured.
    """
    wanted = settings.rerank if asked is None else asked
    if wanted and settings.reranker is None:
        raise InvalidInput("rerank needs a reranker: name a cross-encoder in retrieval.reranker")
    return wanted


def rerank_hits(reranker: Reranker, query: str, hits: Sequence[ScoredChunk], depth: int) -> list[ScoredChunk]:
    """Return the first `depth` hits in the reranker's order, the rest after them as they were."""
    head = list(hits[:depth])
    if not head:
        return []
    scores = reranker.score(query, [f"{hit.chunk.heading}\n{hit.chunk.text}".strip() for hit in head])
    order = np.argsort(-scores, kind="stable")
    ranked = [
        replace(head[at], score=float(scores[at]), scores=replace(head[at].scores, rerank=float(scores[at])))
        for at in order.tolist()
    ]
    return [*ranked, *hits[depth:]]
