"""The states of a Llama model (Touvron et al. 2023) after texts of any lengths, in one pass.

On a CPU without padding: the maps run over the tokens of all texts joined, only attention goes text by text. For a GPU,
where a pass of one shape is recorded, over padded rows. Reads the weights of a packed file (`models/gguf_file.py`).
Nothing is generated here: `generation/embedded.py` does that, with transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from models.gguf_file import GgufFile
from models.llama_weights import LlamaWeights
from models.lora import Batch


class Llama:
    """A decoder without its head; safe to call from several threads."""

    def __init__(self, file: GgufFile, device: str, dtype: torch.dtype, adapter: Mapping[str, Tensor]) -> None:
        """Read the weights and add the low-rank adapter: `NAME.weight.a` (rank, in) and `NAME.weight.b` (out, rank)."""
        weights = LlamaWeights(file, adapter)
        self.device, self._dtype = torch.device(device), dtype
        self.heads, self.pairs, self.epsilon = weights.heads, weights.pairs, weights.epsilon
        self.embedding = weights.embedding.to(self.device, dtype)
        self._norm = weights.norm.to(self.device, dtype)
        self._layers = [weights.layer(number).to(self.device, dtype) for number in range(weights.layers)]
        self._turns = weights.turns.to(self.device)

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


def _rotated(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = states.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
