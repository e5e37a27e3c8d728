"""The second reader: a small language model that is asked whether a passage answers a question.

The packaged instruct model under a low-rank change of its maps: six times the size of the reader and as much slower, so
it reads only the passages that the reader finds likeliest. Its word is the logit of " yes" over " no" after the prompt
below. Trained by `tuning/reader_teacher.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from core.errors import NotFound
from core.settings import EmbedderSettings
from models.batching import Batcher
from models.devices import pick_device
from models.gguf_file import read_gguf, tokenizer_of
from models.launcher import Launcher, Row
from models.llama import Llama
from models.lora import Batch
from models.sources import find_weights

FOLDER = Path(__file__).parent / "weights" / "second_reader"
LONGEST_QUESTION, LONGEST_PASSAGE = 300, 1400
"""Characters; what is longer is cut, as in training."""
YES, NO = " yes", " no"
TOGETHER = {"cpu": 16, "cuda": 128}
"""Passages of one pass, by device."""
RECORDED = (128, 192, 256, 320, 384, 448, 512, 768)
"""Tokens of the passes that a GPU is given in one launch; a passage under its question has some 300."""


def prompt_of(question: str, passage: str) -> str:
    """Return what is read: the question stands before the passage, to look for, and after it."""
    asked = question[:LONGEST_QUESTION]
    return f"Question: {asked}\nPassage: {passage[:LONGEST_PASSAGE]}\nQuestion: {asked}\nDoes the passage answer it?"


class SecondReader:
    """The instruct model under the adapter; safe to call from several threads."""

    def __init__(self, weights: Path, adapter: Mapping[str, Tensor], device: str) -> None:
        file = read_gguf(weights)
        self._tokenizer = tokenizer_of(file)
        self._model = Llama(file, device, fast_dtype(device), adapter)
        yes, no = (self._tokenizer.encode(word).ids[0] for word in (YES, NO))
        self._told = (self._model.embedding[yes].float() - self._model.embedding[no].float())[:, None]
        self._launch = Launcher(self._padded, device, widths=RECORDED) if device == "cuda" else None
        self._together = TOGETHER[device]
        self._scoring: Batcher[str, float] = Batcher(self._score, "second-reader", self._together)

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        """Return for each passage the logit of its answering the question."""
        return self.judge([(question, passage) for passage in passages])

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Return for each question and passage the logit of the passage's answering it."""
        return list(self._scoring([prompt_of(question, passage) for question, passage in pairs]))

    def warm(self) -> None:
        """On a GPU, record every shape of a pass, so that no question waits for one."""
        if self._launch:
            self._launch.warm()

    def _score(self, prompts: Sequence[str]) -> list[float]:
        texts = [row.ids for row in self._tokenizer.encode_batch(list(prompts))]
        if self._launch:
            return [float(found[0]) for found in self._launch([Row(text) for text in texts])]
        found: list[float] = []
        for begin in range(0, len(texts), self._together):
            states = self._model.last_states(texts[begin : begin + self._together])
            found.extend((states @ self._told)[:, 0].tolist())
        return found

    def _padded(self, batch: Batch, _labels: Tensor) -> Tensor:
        return self._model.last_states_of(batch) @ self._told


def fast_dtype(device: str) -> torch.dtype:
    """Return the number format that is fast on a device: bfloat16, but on a CPU that has no instructions for it."""
    able = torch.cpu.get_capabilities()
    if device == "cpu" and not (able.get("amx_bf16") or able.get("avx512_bf16")):
        return torch.float32
    return torch.bfloat16


def in_floats(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return an adapter as written by `in_eight_bits`, in float32: `.a` (rank, in) and `.b` (out, rank)."""
    return {
        name: tensor.float() * tensors[f"{name}.scale"].float()
        for name, tensor in tensors.items()
        if not name.endswith(".scale")
    }


def in_eight_bits(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return an adapter in eight bits a number, with a scale a rank."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        rows = tensor.float()
        scale = (rows.abs().amax(1 if name.endswith(".a") else 0, keepdim=True) / 127).clamp_min(1e-8)
        found[name] = (rows / scale).round().to(torch.int8).contiguous()
        found[f"{name}.scale"] = scale.contiguous()
    return found


@cache
def has_second_reader(folder: Path = FOLDER) -> bool:
    """Whether its adapter and the model that this belongs to are installed."""
    return (folder / "adapter.safetensors").is_file() and find_spec(_base(folder).replace("-", "_")) is not None


@cache
def load_second_reader(settings: EmbedderSettings, folder: Path = FOLDER) -> SecondReader:
    """Return the process-wide second reader.

    Raises:
        NotFound: its weights are not installed.
    """
    if not (folder / "adapter.safetensors").is_file():
        raise NotFound(f"no weights of the second reader in {folder}; train them with: python -m tuning.reader_teacher")
    adapter = in_floats(load_file(folder / "adapter.safetensors"))
    return SecondReader(find_weights(_base(folder)), adapter, pick_device(settings.device))


@cache
def _base(folder: Path) -> str:
    return str(json.loads((folder / "card.json").read_text(encoding="utf-8"))["base"])
