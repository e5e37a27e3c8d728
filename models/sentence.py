"""Any other sentence-transformers model, run by sentence-transformers itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.pooled import SLAB, Kind, Vectors


class SentenceModel:
    """Loads whatever modules a sentence-transformers folder lists."""

    def __init__(self, folder: Path, device: str, batch_size: int) -> None:
        from sentence_transformers import SentenceTransformer

        self._model: Any = SentenceTransformer(str(folder), device=device, local_files_only=True)
        self._batch_size = batch_size
        self.tokenizer_file: Path | None = None
        self.dimension = int(self._model.get_embedding_dimension())
        self.max_tokens = int(self._model.max_seq_length or 512)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Return the character offsets of the tokens of a text, none left out."""
        encoded = self._model.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
        )
        return [(int(start), int(end)) for start, end in encoded["offset_mapping"]]

    def encode(self, texts: Sequence[str], kind: Kind, on_batch: Callable[[int], None] | None = None) -> Vectors:
        """Return unit vectors, shape (n, dimension) float32, in the order of the texts."""
        encode = self._model.encode_query if kind == "query" else self._model.encode_document
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for start in range(0, len(texts), SLAB):
            slab = list(texts[start : start + SLAB])
            vectors[start : start + len(slab)] = encode(
                slab, batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False
            )
            if on_batch is not None:
                on_batch(start + len(slab))
        return vectors
