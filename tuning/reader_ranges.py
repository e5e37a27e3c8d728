"""Measure how large the numbers are that a second reader's maps read, for `models/llama_eight_bits.py`.

    python -m tuning.reader_ranges --second-reader FOLDER --train reader.taught.jsonl claims.train.jsonl

A few texts of each kind tell: the same places are large in all of them. To be run after the weights change, on a CPU.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.causal import load_causal
from models.gguf_file import read_gguf, tokenizer_of
from models.llama_eight_bits import Ranges
from models.second_reader import QUESTION, in_floats, prompts_of
from models.sources import find_weights
from tuning.passages_data import read_rows
from tuning.reader_examples import heard
from tuning.teacher import FORMS

MAPS = {"asked": "q_proj", "gated": "gate_proj", "down": "down_proj"}
"""Of the maps that read the same states, the one that is watched."""


def ranges_of(model: Any, texts: Sequence[Sequence[int]]) -> Ranges:
    """Return the largest absolute numbers that the maps of a transformers model read over all texts."""
    layers = model.model.layers
    largest: dict[tuple[str, int], Tensor] = {}

    def watch(key: tuple[str, int]) -> Callable[[Any, tuple[Tensor]], None]:
        def see(_map: Any, read: tuple[Tensor]) -> None:
            found = read[0].abs().flatten(0, -2).amax(0)
            largest[key] = torch.maximum(largest.get(key, found), found)

        return see

    hooks = [
        getattr(part, name).register_forward_pre_hook(watch((site, number)))
        for number, layer in enumerate(layers)
        for part in (layer.self_attn, layer.mlp)
        for site, name in MAPS.items()
        if hasattr(part, name)
    ]
    with torch.inference_mode():
        for text in texts:
            model(input_ids=torch.tensor([list(text)]))
    for hook in hooks:
        hook.remove()
    return Ranges(**{site: torch.stack([largest[site, number] for number in range(len(layers))]) for site in MAPS})


def measure(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Ranges:
    """Return the ranges of a second reader over these rows."""
    weights = find_weights(str(json.loads((folder / "card.json").read_text(encoding="utf-8"))["base"]))
    model = load_causal(weights)[1]
    change = in_floats(load_file(folder / "adapter.safetensors"))
    for name, weight in model.named_parameters():
        if f"{name}.a" in change:
            weight.data += change[f"{name}.b"] @ change[f"{name}.a"]
    asked = [(FORMS[row.get("form", QUESTION.name)], heard(row), str(row["context"])) for row in rows]
    return ranges_of(model, [prompt.ids for prompt in prompts_of(tokenizer_of(read_gguf(weights)), asked)])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--second-reader", type=Path, required=True)
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--limit", type=int, default=64, help="rows of each file")
    given = parser.parse_args()
    measure(given.second_reader, [row for path in given.train for row in read_rows(path)[: given.limit]]).save(
        given.second_reader
    )


if __name__ == "__main__":
    main()
