"""The encoder that questions and passages share: text in, unit vectors out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from core.settings import EmbedderSettings
from models.devices import pick_device
from models.pooled import Kind, PooledTransformer, Vectors, read_pooled_spec
from models.sentence import SentenceModel
from models.sources import find_weights, weights_revision

_loaded: dict[EmbedderSettings, Encoder] = {}
_loading = threading.Lock()


class Encoder:
    """A sentence encoder by the name it was asked for; one per process, safe to call from several threads."""

    def __init__(self, name: str, revision: str, backend: PooledTransformer | SentenceModel) -> None:
        self.name = name
        self.revision = revision
        self.dimension = backend.dimension
        self.max_tokens = backend.max_tokens
        self._backend = backend
        self.tokenizer_file = backend.tokenizer_file
        """The `tokenizer.json` by which others count the same tokens; `None` where there is no such file."""

    def encode(self, texts: Sequence[str], kind: Kind, on_batch: Callable[[int], None] | None = None) -> Vectors:
        """Return unit vectors, shape (n, dimension) float32; texts longer than `max_tokens` are cut.

        `on_batch` hears how many texts are done after each batch.
        """
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        return self._backend.encode(texts, kind, on_batch)

    def warm(self) -> None:
        """Do now what the first question would wait for."""
        if isinstance(self._backend, PooledTransformer):
            self._backend.warm()

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Return the character offsets of every token of a text; nothing is cut."""
        return self._backend.token_spans(text)


def load_encoder(settings: EmbedderSettings) -> Encoder:
    """Return the encoder of these settings, loading it the first time.

    Raises:
        NotFound: its weights are not on this machine.
    """
    with _loading:
        if settings not in _loaded:
            _loaded[settings] = _load(settings)
        return _loaded[settings]


def _load(settings: EmbedderSettings) -> Encoder:
    folder = find_weights(settings.model)
    device = pick_device(settings.device)
    return Encoder(settings.model, settings.revision or weights_revision(folder), _backend(folder, device, settings))


def _backend(folder: Path, device: str, settings: EmbedderSettings) -> PooledTransformer | SentenceModel:
    spec = read_pooled_spec(folder)
    if spec is None:
        return SentenceModel(folder, device, settings.batch_size)
    return PooledTransformer(folder, spec, device, batch_size=settings.batch_size, threads=settings.threads)
