"""Questions that are asked at the same moment, embedded in one launch on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.batching import Batcher
from models.bert_graph import BertShape
from models.launcher import Launcher, Row
from models.lora import Batch, pooled
from models.reading import load_bert
from models.slots import as_dtype, served_dtype

if TYPE_CHECKING:
    Vectors = NDArray[np.float32]


class QuestionPass:
    """A BERT encoder for the token ids of questions; safe to call from several threads."""

    def __init__(self, folder: Path, pooling: Literal["mean", "cls"], device: str) -> None:
        self._bert = as_dtype(load_bert(folder, device)[0], served_dtype(torch.device(device)))
        self._pooling = pooling
        self._launch = Launcher(self._unit, device)
        self._asked: Batcher[list[int], Vectors] = Batcher(self._vectors, "questions")

    @classmethod
    def of(cls, folder: Path, pooling: Literal["mean", "cls"], device: str) -> QuestionPass | None:
        """Return the pass of a model folder, `None` where its architecture has none."""
        return None if BertShape.of(folder) is None else cls(folder, pooling, device)

    def __call__(self, ids: Sequence[list[int]]) -> Vectors:
        """Return unit vectors, shape (n, dimension) float32; each text's ids with the encoder's special tokens."""
        return np.stack(list(self._asked(ids)))

    def warm(self) -> None:
        """Record every shape of a pass, so that no question waits for one."""
        self._launch.warm()

    def _vectors(self, ids: Sequence[list[int]]) -> list[Vectors]:
        return list(self._launch([Row(tokens) for tokens in ids]))

    def _unit(self, batch: Batch, _labels: Tensor) -> Tensor:
        states = self._bert.hidden(batch, {}).float()
        return functional.normalize(pooled(states, batch.mask, self._pooling), dim=1)
