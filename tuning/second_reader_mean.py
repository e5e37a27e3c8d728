"""Write the mean of several second readers, cut to a low rank again, and measure it.

    python -m tuning.second_reader_mean --readers ONE TWO [THREE …] [--test reader.test.jsonl [--most 400]] --out DIR

Trainings from the same weights that saw other rows, or the same in another order, err differently; the mean of what
they learnt errs less than each (Wortsman et al. 2022, Model soups). It costs a question nothing: it is one change, as
each of them is.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.settings import EmbedderSettings
from models.second_reader import in_eight_bits, in_floats, load_second_reader
from tuning.passages_data import read_rows
from tuning.reader_teacher import CUT, told_apart

Row = Mapping[str, Any]


def mean_of(changes: Sequence[Mapping[str, Tensor]], rank: int = CUT) -> dict[str, Tensor]:
    """Return the mean of low-rank changes, `NAME.a` (rank, in) and `NAME.b` (out, rank), cut to a rank.

    Raises:
        ValueError: they change different maps.
    """
    names = {name.removesuffix(".a") for name in changes[0] if name.endswith(".a")}
    if any({name.removesuffix(".a") for name in one if name.endswith(".a")} != names for one in changes):
        raise ValueError("the readers change different maps")
    found: dict[str, Tensor] = {}
    for name in sorted(names):
        left = torch.cat([one[f"{name}.b"] / len(changes) for one in changes], dim=1)
        right = torch.cat([one[f"{name}.a"] for one in changes])
        outer, small = torch.linalg.qr(left)
        inner, other = torch.linalg.qr(right.T)
        turned, sizes, back = torch.linalg.svd(small @ other.T)
        root = sizes[:rank].sqrt()
        found[f"{name}.a"] = root[:, None] * (back[:rank] @ inner.T)
        found[f"{name}.b"] = (outer @ turned[:, :rank]) * root
    return found


def sampled(rows: Sequence[Row], most: int | None) -> list[Row]:
    """Return at most so many rows of each source and way of being held out, the same at every call."""
    chance, kinds = random.Random(3), dict[tuple[str, str], list[Row]]()
    for row in rows:
        kinds.setdefault((row["held"], row["source"]), []).append(row)
    return [
        row for those in kinds.values() for row in (chance.sample(those, most) if most and len(those) > most else those)
    ]


def main() -> None:
    """Write adapter.safetensors and card.json, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=Path, nargs="+", required=True)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--most", type=int, help="rows of each source to measure on")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    change = mean_of([in_floats(load_file(folder / "adapter.safetensors")) for folder in given.readers])
    given.out.mkdir(parents=True, exist_ok=True)
    save_file(in_eight_bits(change), given.out / "adapter.safetensors")
    cards = [json.loads((folder / "card.json").read_text(encoding="utf-8")) for folder in given.readers]
    kept = {name: cards[0][name] for name in ("name", "base", "date", "data", "licence", "rank")}
    card: dict[str, Any] = {**kept, "date": max(one["date"] for one in cards), "mean_of": cards}
    (given.out / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    if given.test:
        rows = sampled(read_rows(given.test), given.most)
        reader = load_second_reader(EmbedderSettings(), given.out)
        logits = reader.judge([(row["question"], row["context"]) for row in rows])
        card["unseen"] = told_apart(rows, logits)
        (given.out / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        print(json.dumps(card["unseen"], indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
