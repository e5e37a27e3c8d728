"""Starting values by the size of the model, so that a first run is rarely wasted.

Up to half a billion parameters they are the best of those measured on the packaged model (docs/results/tuning.md).
Above, they follow what was published and were not measured here: larger models want fewer virtual tokens and smaller
steps (Lester et al. 2021, prompt tuning, 0.1 to 11 B; Liu et al. 2022, P-tuning v2, 0.3 to 10 B; Hu et al. 2021, LoRA).
`attest tune recipe` searches around them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tuning.ptune_rows import Recipe

PACKED_BYTES = 0.65
"""Bytes a parameter of a 4-bit file, scales included; close enough to find a row of the table."""
PLAIN_BYTES = 2.0


@dataclass(frozen=True, slots=True)
class Start:
    """Values for models of up to so many parameters."""

    up_to: float
    recipes: Mapping[str, Recipe]
    measured: bool


def _of(tokens: int, rates: tuple[float, float, float], epochs: int, batch: int) -> Mapping[str, Recipe]:
    ptune, prompt, lora = rates
    common = Recipe(tokens=tokens, epochs=epochs, batch=batch)
    return {
        "ptune": replace(common, method="ptune", learning_rate=ptune),
        "prompt": replace(common, method="prompt", learning_rate=prompt),
        "lora": replace(common, method="lora", rank=4, wide=True, learning_rate=lora, epochs=max(2, epochs // 2)),
    }


STARTS = (
    Start(0.5e9, _of(50, (2e-3, 1e-2, 1e-3), 4, 8), measured=True),
    Start(2e9, _of(40, (1e-3, 5e-3, 5e-4), 4, 8), measured=False),
    Start(9e9, _of(20, (5e-4, 3e-3, 2e-4), 3, 16), measured=False),
    Start(float("inf"), _of(20, (3e-4, 1e-3, 1e-4), 2, 16), measured=False),
)


def parameters_of(path: Path) -> float:
    """Return roughly how many parameters the weights of a model hold, from the size of their files."""
    packed = [path] if path.suffix == ".gguf" else sorted(path.glob("*.gguf"))
    if packed:
        return packed[0].stat().st_size / PACKED_BYTES
    return sum(file.stat().st_size for file in path.glob("*.safetensors")) / PLAIN_BYTES


def starting_recipe(parameters: float, method: str) -> Recipe:
    """Return the values to begin with for a model of this size."""
    return next(start for start in STARTS if parameters <= start.up_to).recipes[method]
