"""A small linear map on question vectors, trained on questions and the passages that answer them.

The encoder was trained on pairs of many kinds; a question is not a passage, and the map moves it a little towards
where answers lie that words alone do not find: it is for hybrid search. Passages keep their vectors, so no index
changes with it. Trained by `evals/question_map.py`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.encoder import Encoder

Vectors = NDArray[np.float32]
FOLDER = Path(__file__).parent.parent / "models" / "weights" / "question_map"
NARROWEST = 1e-6


class QuestionMap:
    """Adds `vector @ matrix` to unit vectors and makes them unit vectors again."""

    def __init__(self, matrix: Vectors) -> None:
        self._matrix = matrix

    def __call__(self, vectors: Vectors) -> Vectors:
        """Return the moved unit vectors, shape (n, dimension)."""
        moved = vectors + vectors @ self._matrix
        unit: Vectors = moved / np.maximum(np.linalg.norm(moved, axis=-1, keepdims=True), NARROWEST)
        return unit.astype(np.float32)


def question_map_of(encoder: Encoder) -> QuestionMap | None:
    """Return the packaged map of an encoder, `None` where it is for another one."""
    return _read(FOLDER, encoder.revision)


@cache
def _read(folder: Path, revision: str) -> QuestionMap | None:
    card = folder / "card.json"
    if not card.is_file() or json.loads(card.read_text(encoding="utf-8"))["revision"] != revision:
        return None
    from safetensors.numpy import load_file

    return QuestionMap(load_file(folder / "map.safetensors")["matrix"].astype(np.float32))
