"""One text at a time through ONNX Runtime: the fastest path for a question that gives the same vector as torch."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.bert_graph import BertShape, bert_graph, bert_weights
from models.onnx_graph import Session

MOST_THREADS = 4
"""A question is a dozen tokens: more threads only wait for one another."""


class SingleText:
    """A BERT encoder for one unpadded text on the CPU; loaded at first use, safe to call from several threads."""

    def __init__(self, folder: Path, shape: BertShape, threads: int | None) -> None:
        self._folder, self._shape = folder, shape
        self._threads = threads or min(MOST_THREADS, os.cpu_count() or 1)
        self._lock = threading.Lock()
        self._session: Session | None = None

    @classmethod
    def of(cls, folder: Path, threads: int | None) -> SingleText | None:
        """Return the fast path of a model folder, `None` where its architecture has none."""
        shape = BertShape.of(folder)
        return None if shape is None else cls(folder, shape, threads)

    def hidden(self, ids: list[int]) -> NDArray[np.float32]:
        """Return the last hidden states of a text's tokens, shape (tokens, hidden)."""
        states: NDArray[np.float32] = self._loaded().run({"ids": np.array([ids], dtype=np.int32)})[0][0]
        return states

    def _loaded(self) -> Session:
        with self._lock:
            if self._session is None:
                self._session = self._load()
            return self._session

    def _load(self) -> Session:
        from safetensors.numpy import load_file

        tensors = load_file(self._folder / "model.safetensors")
        floats = {name.removeprefix("bert."): array for name, array in tensors.items() if array.dtype.kind == "f"}
        weights = bert_weights(self._shape, floats)
        return Session(bert_graph(self._shape, weights), weights, self._threads)
