"""Where in a passage the second reader sees the answer.

What a language model looks for is found in its middle layers: there, the tokens of the sentence that answers differ
from those of the others, and meet what stands at the last token, where the model says whether the passage answers at
all. A pointer reads both from the states that the pass computes anyway, so pointing costs nothing. Trained by
`tuning/reader_pointer.py` over a second reader that stays as it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from models.reading import touched

FILE = "pointer.safetensors"
"""In the folder of the second reader whose states it reads."""
TEMPERATURE = 3.0
"""What logits are divided by (Guo et al. 2017): it learnt that one piece is right; two rows may answer a comparison."""


@dataclass(frozen=True, slots=True)
class SecondReading:
    """What the second reader sees in one passage."""

    logit: float
    """Logit of the passage answering the question."""
    offsets: tuple[tuple[int, int], ...] = ()
    """Characters of each passage token."""
    peaks: tuple[float, ...] = ()
    """How much each token looks like part of an answer; the highest of a piece counts."""
    meets: tuple[float, ...] = ()
    """How well each meets what the last token holds; the mean over a piece counts."""

    def pointed(self, pieces: Sequence[tuple[int, int]]) -> list[float] | None:
        """Return for each piece of the passage the probability that the answer stands there; they sum to one.

        A piece that was cut off has none. `None` without a pointer, and where every piece was cut off.
        """
        logits = [self._logit_of(start, end) for start, end in pieces]
        highest = max(logits, default=-math.inf)
        if highest == -math.inf:
            return None
        weights = [math.exp((logit - highest) / TEMPERATURE) for logit in logits]
        return [weight / sum(weights) for weight in weights]

    def _logit_of(self, start: int, end: int) -> float:
        inside = touched(self.offsets, start, end)
        peaks, meets = self.peaks[inside], self.meets[inside]
        return max(peaks) + sum(meets) / len(meets) if peaks else -math.inf


@dataclass(frozen=True, slots=True)
class Pointer:
    """Its weights over the states within, as `models/llama.py` gives them."""

    depths: tuple[int, ...]
    """The layers after which states are taken."""
    peak: Tensor
    """(states,)."""
    asked: Tensor
    """(rank, states), of the last token."""
    told: Tensor
    """(rank, states), of every token."""

    def point(self, states: Tensor, last: Tensor) -> Tensor:
        """Return each token's peak and meeting, (…, 2, tokens), of states (…, tokens, states), last (…, states)."""
        met = (last @ self.asked.T) @ self.told
        return torch.stack([self.peak.expand_as(met), met], dim=-2) @ states.transpose(-1, -2)


def load_pointer(folder: Path, device: str) -> Pointer | None:
    """Return the pointer of a second reader, `None` where it has none."""
    if not (folder / FILE).is_file():
        return None
    with safe_open(folder / FILE, framework="pt", device=device) as file:
        depths = json.loads(file.metadata()["depths"])
        tensors: Mapping[str, Tensor] = {name: file.get_tensor(name).float() for name in ("peak", "asked", "told")}
    return Pointer(tuple(depths), **tensors)
