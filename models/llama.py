"""The states of a Llama model (Touvron et al. 2023) after texts of any lengths, in one pass.

On a CPU without padding: the maps run over the tokens of all texts joined, only attention goes text by text. For a GPU,
where a pass of one shape is recorded, over padded rows. Reads the weights of a packed file (`models/gguf_file.py`).
Nothing is generated here: `generation/embedded.py` does that, with transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.gguf_file import GgufFile
from models.lora import Batch

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
    """The weights of one layer; maps that read the same states are joined."""

    attention_norm: Tensor
    asked: Tensor
    """Queries, keys and values, one below the other."""
    answered: Tensor
    fed_norm: Tensor
    gated: Tensor
    """Gate and up."""
    down: Tensor


class Llama:
    """A decoder without its head; safe to call from several threads."""

    def __init__(self, file: GgufFile, device: str, dtype: torch.dtype, adapter: Mapping[str, Tensor]) -> None:
        """Read the weights and add the low-rank adapter: `NAME.weight.a` (rank, in) and `NAME.weight.b` (out, rank)."""
        self.device = torch.device(device)
        self.heads, self.pairs = (
            int(file.number("attention.head_count")),
            int(file.number("attention.head_count_kv")),
        )
        self.epsilon = file.number("attention.layer_norm_rms_epsilon")
        self._dtype, self._file, self._adapter = dtype, file, adapter
        self.embedding = self._plain("token_embd.weight")
        self._norm = self._plain("output_norm.weight")
        self._layers = [self._layer(number) for number in range(int(file.number("block_count")))]
        size = self.embedding.shape[1] // self.heads
        turns = torch.arange(0, size, 2, dtype=torch.float32, device=self.device) / size
        self._turns = file.number("rope.freq_base") ** -turns
        del self._file, self._adapter

    def last_states(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Return the state after the last token of each text, (texts, width), in float32."""
        return self.read(texts)[0]

    def read(self, texts: Sequence[Sequence[int]], depths: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
        """Return those states, and of all tokens, the texts joined, the states within, (tokens, depths x width).

        Those within are taken after so many layers, each of mean square 1, in float32.
        """
        lengths = [len(text) for text in texts]
        ids = torch.tensor([token for text in texts for token in text], device=self.device)
        places = torch.cat([torch.arange(length, device=self.device) for length in lengths])

        def attend(turned: Tensor) -> Tensor:
            return torch.cat([self._seen(text[None])[0] for text in torch.split(turned, lengths)])

        with torch.inference_mode():
            states, within = self._states(ids, places, attend, depths)
            return self._ended(states[torch.tensor(lengths, device=self.device).cumsum(0) - 1]), within

    def read_rows(self, batch: Batch, depths: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
        """Return the same of padded rows: no token sees those behind it, so padding changes nothing."""
        rows, tokens = batch.ids.shape
        with torch.inference_mode():
            states, within = self._states(batch.ids, torch.arange(tokens, device=self.device), self._seen, depths)
            return self._ended(states[torch.arange(rows, device=self.device), batch.mask.sum(1) - 1]), within

    def _states(
        self, ids: Tensor, places: Tensor, attend: Callable[[Tensor], Tensor], depths: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Return the states of tokens, (…, tokens, width), that stand at these places of their texts, and within."""
        angles = torch.outer(places.float(), self._turns)[:, None, :]  # rotary embedding, Su et al. 2021
        cosine, sine = angles.cos().to(self._dtype), angles.sin().to(self._dtype)
        states = self.embedding[ids]
        within = [states[..., :0].float()]
        for number, layer in enumerate(self._layers, 1):
            asked = functional.linear(self._scaled(states, layer.attention_norm), layer.asked)
            query, key, value = self._split(torch.unflatten(asked, -1, (self.heads + 2 * self.pairs, -1)))
            turned = torch.cat([_rotated(query, cosine, sine), _rotated(key, cosine, sine), value], dim=-2)
            states = states + functional.linear(attend(turned), layer.answered)
            gate, up = functional.linear(self._scaled(states, layer.fed_norm), layer.gated).chunk(2, dim=-1)
            states = states + functional.linear(functional.silu(gate) * up, layer.down)
            if number in depths:
                within.append(functional.rms_norm(states.float(), states.shape[-1:]))
        return states, torch.cat(within, dim=-1)

    def _seen(self, turned: Tensor) -> Tensor:
        """Return what the tokens of each row see of those before them, (rows, tokens, heads x size)."""
        query, key, value = (part.transpose(-3, -2) for part in self._split(turned))
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        return seen.transpose(-3, -2).flatten(-2)

    def _split(self, parts: Tensor) -> tuple[Tensor, ...]:
        return torch.split(parts, [self.heads, self.pairs, self.pairs], dim=-2)

    def _ended(self, states: Tensor) -> Tensor:
        return self._scaled(states, self._norm).float()

    def _scaled(self, states: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(states, weight.shape, weight, self.epsilon)

    def _plain(self, name: str) -> Tensor:
        return torch.from_numpy(self._file.tensor(name)).to(self.device, self._dtype)

    def _layer(self, number: int) -> Layer:
        query, key, value, out, gate, up, down = (self._map(number, name) for name in MAPS)
        norms = [self._plain(f"blk.{number}.{name}_norm.weight") for name in ("attn", "ffn")]
        return Layer(norms[0], torch.cat([query, key, value]), out, norms[1], torch.cat([gate, up]), down)

    def _map(self, number: int, name: str) -> Tensor:
        weight, key = plain_map(self._file, number, name), f"model.layers.{number}.{name}.weight"
        if f"{key}.a" in self._adapter:
            weight = weight + self._adapter[f"{key}.b"].float() @ self._adapter[f"{key}.a"].float()
        return weight.to(self.device, self._dtype)


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


def _rotated(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = states.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
