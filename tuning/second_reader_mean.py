"""Write the mean of two second readers that learnt from the same start, cut to the rank of one.

    python -m tuning.second_reader_mean --readers ONE OTHER --share 0.7 --out DIR

What two trainings over different rows have in common generalises, and much of the rest cancels out (Wortsman et al.
2022, Model soups). The change of each is a product of two thin matrices; their weighted sum has twice the rank, and is
cut by its singular values. A pointer on the mean's states is trained afterwards (`tuning/reader_pointer.py`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.second_reader import in_eight_bits, in_floats


def mean_of(one: Mapping[str, Tensor], other: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return the sum of `share` of one change and the rest of the other: `.a` (rank, in), `.b` (out, rank).

    Raises:
        ValueError: they change different maps.
    """
    if set(one) != set(other):
        raise ValueError("the two readers change different maps")
    found: dict[str, Tensor] = {}
    for name in sorted({key.rpartition(".")[0] for key in one}):
        rank = one[f"{name}.a"].shape[0]
        tall = torch.cat([share * one[f"{name}.b"], (1 - share) * other[f"{name}.b"]], dim=1)
        wide = torch.cat([one[f"{name}.a"], other[f"{name}.a"]], dim=0)
        left, above = torch.linalg.qr(tall)
        right, below = torch.linalg.qr(wide.T)
        inner, sizes, outer = torch.linalg.svd(above @ below.T)
        root = sizes[:rank].sqrt()
        found[f"{name}.a"] = (root[:, None] * (outer[:rank] @ right.T)).contiguous()
        found[f"{name}.b"] = ((left @ inner[:, :rank]) * root).contiguous()
    return found


def main() -> None:
    """Write adapter.safetensors and card.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=Path, nargs=2, required=True)
    parser.add_argument("--share", type=float, default=0.5, help="of the first reader in the mean")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    one, other = (in_floats(load_file(folder / "adapter.safetensors")) for folder in given.readers)
    given.out.mkdir(parents=True, exist_ok=True)
    made = {name: tensor.half() for name, tensor in mean_of(one, other, given.share).items()}
    save_file(in_eight_bits(made), given.out / "adapter.safetensors")
    cards = [json.loads((folder / "card.json").read_text(encoding="utf-8")) for folder in given.readers]
    shares = (given.share, 1 - given.share)
    kept = ("rows", "options", "unseen")
    card: dict[str, Any] = {key: cards[0][key] for key in ("name", "base", "data", "licence", "rank", "forms", "rows")}
    card["date"] = datetime.now(UTC).date().isoformat()
    card["mean_of"] = [
        {"share": round(share, 3), **{key: card_of[key] for key in kept if key in card_of}}
        for share, card_of in zip(shares, cards, strict=True)
    ]
    (given.out / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
