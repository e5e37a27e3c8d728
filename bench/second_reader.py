"""The second reader's pass in eight bits beside float32 and bfloat16: how long it takes, and how far its word differs.

    OMP_NUM_THREADS=2 python -m bench.second_reader [--passages 60]

Reads questions over documents of the written organisations that no training saw, one at a time and in turn by each
format. Prints one JSON object: the median milliseconds of a pass, the median ratio to eight bits within a passage, and
the logits of each beside float32's: correlation, mean and largest difference, and how many are on the other side of
zero. Needs a processor that eight bits are read on (`models.llama_eight_bits.multiplies_bytes`).
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.gguf_file import read_gguf, tokenizer_of
from models.llama import Llama
from models.llama_eight_bits import EightBitLlama, Ranges, multiplies_bytes
from models.pointer import load_pointer
from models.second_reader import FOLDER, NO, QUESTION, YES, in_floats, prompts_of
from models.sources import find_weights
from tuning.organisation_questions import FILES, make_organisation_rows
from tuning.passages_data import held_out

WARM_UP = 2
Reads: TypeAlias = Callable[[list[list[int]]], tuple[Tensor, Tensor]]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--passages", type=int, default=60)
    args = parser.parse_args()
    ranges, pointer = Ranges.load(FOLDER), load_pointer(FOLDER, "cpu")
    if ranges is None or pointer is None or not multiplies_bytes():
        raise SystemExit("eight bits are not read here: no ranges, no pointer, or a processor without VNNI or AMX")
    card = json.loads((FOLDER / "card.json").read_text(encoding="utf-8"))
    file, depths = read_gguf(find_weights(str(card["base"]))), pointer.depths
    adapter, tokenizer = in_floats(load_file(FOLDER / "adapter.safetensors")), tokenizer_of(file)
    floats, halves = (Llama(file, "cpu", kind, adapter) for kind in (torch.float32, torch.bfloat16))
    formats: dict[str, Reads] = {
        "eight_bits": EightBitLlama(file, adapter, ranges, depths, torch.get_num_threads()).read,
        "float32": lambda texts: floats.read(texts, depths),
        "bfloat16": lambda texts: halves.read(texts, depths),
    }
    yes, no = (tokenizer.encode(word).ids[0] for word in (YES, NO))
    told = floats.embedding[yes] - floats.embedding[no]
    held = [path for path in FILES if held_out(f"organisation {path.stem}")]
    rows = list(make_organisation_rows(held, random.Random(1)))
    random.Random(2).shuffle(rows)
    prompts = prompts_of(tokenizer, [(QUESTION, row["question"], row["context"]) for row in rows[: args.passages]])
    texts = [prompt.ids for prompt in prompts]
    for reads in formats.values():
        reads(texts[:WARM_UP])
    times, logits = _measure(formats, texts, told)
    least = np.array(times["eight_bits"])
    found: dict[str, Any] = {"passages": len(texts), "tokens": float(np.mean([len(text) for text in texts]))}
    found["threads"] = torch.get_num_threads()
    exact = np.array(logits["float32"])
    for name in formats:
        other = np.array(logits[name])
        found[name] = {
            "ms": round(float(np.median(times[name])) * 1000, 1),
            "of_eight_bits": round(float(np.median(np.array(times[name]) / least)), 2),
            "correlation": round(float(np.corrcoef(exact, other)[0, 1]), 4),
            "mean_difference": round(float(np.abs(exact - other).mean()), 3),
            "largest_difference": round(float(np.abs(exact - other).max()), 2),
            "other_side_of_zero": int(((exact > 0) != (other > 0)).sum()),
        }
    print(json.dumps(found, indent=1))


def _measure(
    formats: dict[str, Reads], texts: Sequence[list[int]], told: Tensor
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return the seconds of every pass, and the logits, by format."""
    times: dict[str, list[float]] = {name: [] for name in formats}
    logits: dict[str, list[float]] = {name: [] for name in formats}
    for text in texts:
        for name, reads in formats.items():
            began = time.perf_counter()
            ended, _ = reads([text])
            times[name].append(time.perf_counter() - began)
            logits[name].append(float(ended[0] @ told))
    return times, logits


if __name__ == "__main__":
    main()
