"""A sentence encoder that is one transformer, a pooling and a normalisation, run without sentence-transformers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.single import SingleText

if TYPE_CHECKING:
    from torch import Tensor

    from models.documents import DocumentPass
    from models.questions import QuestionPass

Kind = Literal["query", "document"]
Vectors = NDArray[np.float32]
SLAB = 2048
"""Texts tokenised and sorted by length together; the next slab is tokenised while this one runs."""
GPU_SLAB = 16384
GPU_BATCH_TOKENS = 1 << 17
"""Enough work a launch that a GPU computes rather than waits for the next one."""
FEW = 4
"""Up to so many queries run without torch on a CPU, in one launch on a GPU; more are worth a batch."""


@dataclass(frozen=True, slots=True)
class PooledSpec:
    """What a model folder says about itself."""

    pooling: Literal["mean", "cls"]
    dimension: int
    max_tokens: int
    prompts: dict[str, str]


def read_pooled_spec(folder: Path) -> PooledSpec | None:
    """Read a sentence-transformers folder, `None` where it is more than transformer, pooling and normalisation."""
    if not (folder / "modules.json").is_file() or not (folder / "tokenizer.json").is_file():
        return None
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
    if kinds not in (["Transformer", "Pooling", "Normalize"], ["Transformer", "Pooling"]) or modules[0]["path"]:
        return None
    pooling = json.loads((folder / modules[1]["path"] / "config.json").read_text(encoding="utf-8"))
    modes = sorted(name for name, value in pooling.items() if name.startswith("pooling_mode_") and value is True)
    sentence = _read_json(folder / "sentence_bert_config.json")
    positions = _read_json(folder / "config.json").get("max_position_embeddings")
    limit = sentence.get("max_seq_length") or positions
    if modes not in (["pooling_mode_mean_tokens"], ["pooling_mode_cls_token"]) or limit is None:
        return None
    prompts = _read_json(folder / "config_sentence_transformers.json").get("prompts") or {}
    return PooledSpec(
        pooling="mean" if modes == ["pooling_mode_mean_tokens"] else "cls",
        dimension=int(pooling["word_embedding_dimension"]),
        max_tokens=int(limit),
        prompts={str(kind): str(prompt) for kind, prompt in prompts.items()},
    )


class PooledTransformer:
    """Runs a folder that `read_pooled_spec` understands; safe to call from several threads."""

    def __init__(
        self, folder: Path, spec: PooledSpec, device: str, *, batch_size: int, threads: int | None = None
    ) -> None:
        from tokenizers import Tokenizer

        self.folder, self.spec, self.device, self._threads = folder, spec, device, threads
        self.dimension, self.max_tokens = spec.dimension, spec.max_tokens
        self._batch_tokens = batch_size * spec.max_tokens if device == "cpu" else GPU_BATCH_TOKENS
        self._slab = SLAB if device == "cpu" else GPU_SLAB
        self._lock = threading.Lock()
        self.tokenizer_file: Path | None = folder / "tokenizer.json"
        self._whole = Tokenizer.from_file(str(self.tokenizer_file))
        self._whole.no_truncation()
        self._whole.no_padding()
        self._cut = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._cut.enable_truncation(spec.max_tokens)
        self._cut.no_padding()
        self._single = SingleText.of(folder, threads) if device == "cpu" else None
        self._questions: QuestionPass | None = None
        if device == "cuda":
            from models.questions import QuestionPass  # imported late: torch takes seconds

            self._questions = QuestionPass.of(folder, spec.pooling, device)

    def warm(self) -> None:
        """On a GPU, record the passes of questions, so that none waits for one."""
        if self._questions is not None:
            self._questions.warm()

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Return the character offsets of the tokens of a text, none left out."""
        return list(self._whole.encode(text, add_special_tokens=False).offsets)

    def encode(self, texts: Sequence[str], kind: Kind, on_batch: Callable[[int], None] | None = None) -> Vectors:
        """Return unit vectors, shape (n, dimension) float32, in the order of the texts."""
        if kind == "query" and len(texts) <= FEW and self._single is not None:
            return np.stack([self._pooled(self._single.hidden(ids)) for ids in self._tokenize(texts, kind)])
        if kind == "query" and len(texts) <= FEW and self._questions is not None:
            return self._questions(self._tokenize(texts, kind))
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        done = 0
        for start, slab in self._tokenized(texts, kind):
            order = sorted(range(len(slab)), key=lambda i: -len(slab[i]))
            parts = []
            for batch in _batches(order, slab, self._batch_tokens):
                parts.append(self._forward([slab[i] for i in batch]))
                done += len(batch)
                if on_batch is not None:
                    on_batch(done)
            # one copy a slab: a GPU is never waited for between batches
            vectors[[start + i for i in order]] = _together(parts)
        return vectors

    def _tokenized(self, texts: Sequence[str], kind: Kind) -> Iterator[tuple[int, list[list[int]]]]:
        """Yield slabs of token ids, each tokenised while the one before it runs."""
        size = self._slab
        if len(texts) <= size:
            yield 0, self._tokenize(texts, kind)
            return
        with ThreadPoolExecutor(1, thread_name_prefix="tokenize") as pool:
            starts = range(0, len(texts), size)
            ahead = pool.submit(self._tokenize, texts[:size], kind)
            for start in starts:
                slab = ahead.result()
                following = start + size
                if following < len(texts):
                    ahead = pool.submit(self._tokenize, texts[following : following + size], kind)
                yield start, slab

    def _tokenize(self, texts: Sequence[str], kind: Kind) -> list[list[int]]:
        prompt = self.spec.prompts.get(kind, "")
        whole = [prompt + text for text in texts] if prompt else list(texts)
        return [encoding.ids for encoding in self._cut.encode_batch_fast(whole)]

    def _pooled(self, hidden: Vectors) -> Vectors:
        """Pool one text's states, shape (tokens, dimension), into a unit vector."""
        pooled = hidden[0] if self.spec.pooling == "cls" else hidden.mean(axis=0)
        unit: Vectors = pooled / max(float(np.linalg.norm(pooled)), 1e-12)
        return unit

    def _forward(self, batch: list[list[int]]) -> Tensor:
        """Return the unit vectors of a batch, shape (n, dimension) float32, on the model's device."""
        with self._lock:
            documents = self._documents
        return documents(batch)

    @cached_property
    def _documents(self) -> DocumentPass:
        import torch

        from models.documents import document_pass  # imported late: torch takes seconds

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        return document_pass(self.folder, self.spec.pooling, self.device)


def _batches(order: Sequence[int], slab: Sequence[Sequence[int]], batch_tokens: int) -> Iterator[list[int]]:
    """Cut an order that is longest first into batches whose padded size stays within `batch_tokens`."""
    start = 0
    while start < len(order):
        width = max(1, len(slab[order[start]]))
        count = max(1, batch_tokens // width)
        yield list(order[start : start + count])
        start += count


def _together(parts: list[Tensor]) -> Vectors:
    import torch

    vectors: Vectors = torch.cat(parts).cpu().numpy()
    return vectors


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
