"""The weights of a Llama model (Touvron et al. 2023) out of a packed file, changed by a low-rank adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from models.gguf_file import GgufFile

MAPS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""Names of a layer's maps in an adapter, and in a packed file."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of one layer, maps as (out, in); those that read the same states are joined."""

    attention_norm: Tensor
    asked: Tensor
    """Queries, keys and values, one below the other."""
    answered: Tensor
    fed_norm: Tensor
    gated: Tensor
    """Gate and up."""
    down: Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:
        """Return the layer on a device, in a number format."""
        return type(self)(*(getattr(self, one.name).to(device, dtype) for one in fields(self)))


class LlamaWeights:
    """What a file and an adapter hold, in float32; layers are read when they are asked for."""

    def __init__(self, file: GgufFile, adapter: Mapping[str, Tensor]) -> None:
        """Take a low-rank adapter: `NAME.weight.a` (rank, in) and `NAME.weight.b` (out, rank)."""
        self._file, self._adapter = file, adapter
        self.heads = int(file.number("attention.head_count"))
        self.pairs = int(file.number("attention.head_count_kv"))
        self.layers = int(file.number("block_count"))
        self.epsilon = file.number("attention.layer_norm_rms_epsilon")
        self.embedding = self.plain("token_embd.weight")
        self.norm = self.plain("output_norm.weight")
        self.size = self.embedding.shape[1] // self.heads
        """Numbers of a head."""
        self.turns = file.number("rope.freq_base") ** -(torch.arange(0, self.size, 2, dtype=torch.float32) / self.size)
        """Angles of a token after another (Su et al. 2021), half as many as a head has numbers."""

    def plain(self, name: str) -> Tensor:
        """Return a tensor by its name in the file."""
        return torch.from_numpy(self._file.tensor(name))

    def layer(self, number: int) -> Layer:
        """Return a layer by its number, from 0."""
        query, key, value, out, gate, up, down = (self._map(number, name) for name in MAPS)
        norms = [self.plain(f"blk.{number}.{name}_norm.weight") for name in ("attn", "ffn")]
        return Layer(norms[0], torch.cat([query, key, value]), out, norms[1], torch.cat([gate, up]), down)

    def _map(self, number: int, name: str) -> Tensor:
        weight, key = plain_map(self._file, number, name), f"model.layers.{number}.{name}.weight"
        if f"{key}.a" in self._adapter:
            weight = weight + self._adapter[f"{key}.b"].float() @ self._adapter[f"{key}.a"].float()
        return weight


def plain_map(file: GgufFile, number: int, name: str) -> Tensor:
    """Return a map of a layer, by its name in `MAPS`, (out, in), in the order of transformers."""
    weight = torch.from_numpy(file.tensor(f"blk.{number}.{MAPS[name]}.weight"))
    if not name.endswith(("q_proj", "k_proj")):
        return weight
    heads = file.number("attention.head_count" if name.endswith("q_proj") else "attention.head_count_kv")
    return _halves_apart(weight, int(heads))


def _halves_apart(weight: Tensor, heads: int) -> Tensor:
    """Undo the order of packed files, where the two numbers that turn together are neighbours."""
    rows, width = weight.shape
    return weight.view(heads, rows // heads // 2, 2, width).transpose(1, 2).reshape(rows, width)
