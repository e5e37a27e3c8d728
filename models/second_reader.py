"""The second reader: a small language model that is asked whether a passage answers a question, or supports a claim.

The packaged instruct model under a low-rank change of its maps: six times the size of the reader and as much slower, so
it reads only the passages that the reader finds likeliest, and of claims only the evidence that shares most with them.
Its word is the logit of " yes" over " no" after the prompt below; where in the passage it sees the answer, its pointer
says (`models/pointer.py`). Trained by `tuning/reader_teacher.py`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from core.errors import NotFound
from core.settings import EmbedderSettings
from models.batching import Batcher
from models.devices import pick_device
from models.gguf_file import read_gguf, tokenizer_of
from models.launcher import Launcher, Row
from models.llama import Llama
from models.llama_eight_bits import EightBitLlama, Ranges, multiplies_bytes
from models.lora import Batch
from models.pointer import Pointer, SecondReading, load_pointer
from models.reading import touched
from models.sources import find_weights

log = logging.getLogger(__name__)
FOLDER = Path(__file__).parent / "weights" / "second_reader"
LONGEST_ASKED, LONGEST_PASSAGE = 300, 1400
"""Characters; what is longer is cut, as in training."""
MOST_TOKENS = 1000
"""Of a passage, three times what so many letters take in English: other alphabets take twice as many tokens, and some
scripts one or more a sign."""
YES, NO = " yes", " no"
TOGETHER = {"cpu": 16, "cuda": 128}
"""Passages of one pass, by device."""
RECORDED = (128, 192, 256, 320, 384, 448, 512, 768)
"""Tokens of the passes that a GPU is given in one launch; a passage under its question has some 300."""


@dataclass(frozen=True, slots=True)
class Form:
    """What the model is asked of a passage."""

    name: str
    asks: str

    def prompt(self, asked: str, passage: str) -> str:
        """Return what is read: what is asked stands before the passage, to look for, and after it."""
        asked = asked[:LONGEST_ASKED]
        return f"{self.before(asked)}{passage[:LONGEST_PASSAGE]}\n{self.name}: {asked}\n{self.asks}"

    def before(self, asked: str) -> str:
        """Return what stands before the passage."""
        return f"{self.name}: {asked[:LONGEST_ASKED]}\nPassage: "


QUESTION = Form("Question", "Does the passage answer it?")
CLAIM = Form("Claim", "Does the passage support it?")
Asked: TypeAlias = tuple[Form, str, str]
"""A form, the question or claim, and the passage."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is read, as tokens."""

    ids: list[int]
    first: int
    """Place of the passage's first token."""
    offsets: tuple[tuple[int, int], ...]
    """Characters of the passage that each of its tokens stands for."""


def prompts_of(tokenizer: Tokenizer, asked: Sequence[Asked]) -> list[Prompt]:
    """Return what is asked of passages as tokens, and where in the passage each stands."""
    found = []
    passages = _cut(tokenizer, [passage[:LONGEST_PASSAGE] for _, _, passage in asked])
    prompts = [form.prompt(text, passage) for (form, text, _), passage in zip(asked, passages, strict=True)]
    for (form, text, _), passage, tokens in zip(asked, passages, tokenizer.encode_batch(prompts), strict=True):
        begin = len(form.before(text))
        end = begin + len(passage)
        inside = touched(tokens.offsets, begin, end)
        offsets = tuple((max(0, start - begin), stop - begin) for start, stop in tokens.offsets[inside])
        found.append(Prompt(tokens.ids, inside.start, offsets))
    return found


def _cut(tokenizer: Tokenizer, passages: Sequence[str]) -> list[str]:
    """Return the passages, those of more than `MOST_TOKENS` cut."""
    found = []
    for passage, tokens in zip(passages, tokenizer.encode_batch(list(passages)), strict=True):
        end = tokens.offsets[MOST_TOKENS][0] if len(tokens.ids) > MOST_TOKENS else len(passage)
        found.append(passage[:end])
    return found


class SecondReader:
    """The instruct model under the adapter; safe to call from several threads."""

    def __init__(
        self,
        weights: Path,
        adapter: Mapping[str, Tensor],
        device: str,
        pointer: Pointer | None = None,
        ranges: Ranges | None = None,
    ) -> None:
        """Take, besides the weights, what the adapter's folder may hold: `Ranges` to read in eight bits on a CPU."""
        file = read_gguf(weights)
        self._tokenizer = tokenizer_of(file)
        self._pointer = pointer
        self._depths = pointer.depths if pointer else ()
        self._launch: Launcher | None = None
        if device == "cpu" and ranges and multiplies_bytes():
            small = EightBitLlama(file, adapter, ranges, self._depths, torch.get_num_threads())
            self._states, embedding = small.read, small.embedding
        else:
            model = Llama(file, device, fast_dtype(device), adapter)
            self._states, embedding = partial(model.read, depths=self._depths), model.embedding
            if device == "cuda":
                self._launch = Launcher(partial(self._padded, model), device, widths=RECORDED)
        yes, no = (self._tokenizer.encode(word).ids[0] for word in (YES, NO))
        self._told = embedding[yes].float() - embedding[no].float()
        self._together = TOGETHER[device]
        self._reading: Batcher[Asked, SecondReading] = Batcher(self._read, "second-reader", self._together)

    def read(self, question: str, passages: Sequence[str]) -> list[SecondReading]:
        """Return one reading a passage, in their order."""
        return list(self._reading([(QUESTION, question, passage) for passage in passages]))

    def support(self, claims: Sequence[tuple[str, str]]) -> list[float]:
        """Return for each claim and passage the logit of the passage supporting the claim."""
        return [reading.logit for reading in self._reading([(CLAIM, claim, passage) for claim, passage in claims])]

    def warm(self) -> None:
        """On a GPU, record every shape of a pass, so that no question waits for one."""
        if self._launch:
            self._launch.warm()

    def _read(self, asked: Sequence[Asked]) -> list[SecondReading]:
        prompts = prompts_of(self._tokenizer, asked)
        if self._launch:
            rows = self._launch([Row(prompt.ids) for prompt in prompts])
            return [
                _reading_of(prompt, float(row[0]), row[1:].reshape(2, -1))
                for prompt, row in zip(prompts, rows, strict=True)
            ]
        found: list[SecondReading] = []
        for begin in range(0, len(prompts), self._together):
            chosen = prompts[begin : begin + self._together]
            ended, within = self._states([prompt.ids for prompt in chosen])
            parts = torch.split(within, [len(prompt.ids) for prompt in chosen])
            for prompt, state, part in zip(chosen, ended, parts, strict=True):
                seen = self._pointer.point(part, part[-1]).numpy() if self._pointer else np.zeros((2, 0), np.float32)
                found.append(_reading_of(prompt, float(state @ self._told), seen))
        return found

    def _padded(self, model: Llama, batch: Batch, _labels: Tensor) -> Tensor:
        """Return for each row its logit, then for each token its peak, then its meeting, where there is a pointer."""
        ended, within = model.read_rows(batch, self._depths)
        logits = (ended @ self._told)[:, None]
        if self._pointer is None:
            return logits
        last = within[torch.arange(len(within), device=within.device), batch.mask.sum(1) - 1]
        return torch.cat([logits, self._pointer.point(within, last).flatten(1)], dim=1)


def _reading_of(prompt: Prompt, logit: float, seen: NDArray[np.float32]) -> SecondReading:
    """Return a reading from the logit and the pointer's numbers of every token, (2, tokens), or (2, 0) without one."""
    shown = slice(prompt.first, prompt.first + len(prompt.offsets))
    peaks, meets = (tuple(row[shown].tolist()) for row in seen)
    return SecondReading(logit, prompt.offsets if peaks else (), peaks, meets)


def fast_dtype(device: str) -> torch.dtype:
    """Return the number format that is fast on a device: bfloat16, but on a CPU without tiles of it.

    With AVX-512's instructions alone a product takes half as long again as in float32.
    """
    if device == "cpu" and not torch.cpu.get_capabilities().get("amx_bf16"):
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
    device = pick_device(settings.device)
    pointer = load_pointer(folder, device)
    if pointer is None:
        log.warning("%s has no pointer, so the reader alone chooses sentences; train: tuning.reader_pointer", folder)
    ranges = Ranges.load(folder)
    if device == "cpu" and ranges is None:
        log.warning("%s has no ranges, so it is read in floats, which takes longer; run: tuning.reader_ranges", folder)
    return SecondReader(find_weights(_base(folder)), adapter, device, pointer, ranges)


def forms_learnt(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the names of the forms it was trained to be asked in."""
    return tuple(_card(folder).get("forms", (QUESTION.name,)))


def _base(folder: Path) -> str:
    return str(_card(folder)["base"])


@cache
def _card(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return found
