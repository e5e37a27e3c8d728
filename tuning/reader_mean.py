"""Write the mean of two readers' weights, one of which went on from the other, and measure it.

    python -m tuning.reader_mean --base FOLDER --readers BEFORE AFTER --test reader.test.jsonl --out DIR

A further training gains on what it saw and loses some of what was known; weights half-way keep most of both (Wortsman
et al. 2022, Robust fine-tuning of zero-shot models). Readers that were not trained from one another have no mean.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from models.reading import load_bert
from tuning.reader_examples import read_examples
from tuning.train_reader import Options, Trainer, measured


def mean_of(folders: list[Path]) -> dict[str, Tensor]:
    """Return the mean of the tensors of several readers.

    Raises:
        ValueError: they are of different shapes.
    """
    read = [load_file(folder / "adapter.safetensors") for folder in folders]
    shapes = [{name: tensor.shape for name, tensor in tensors.items()} for tensors in read]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"the readers in {', '.join(map(str, folders))} have tensors of different shapes")
    return {name: sum(tensors[name].float() for tensors in read) / len(read) for name in read[0]}


def main() -> None:
    """Write adapter.safetensors and card.json, and print the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--readers", type=Path, nargs=2, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    mean = mean_of(given.readers)
    given.out.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.half().contiguous() for name, tensor in mean.items()}, given.out / "adapter.safetensors")
    bert, tokenizer = load_bert(given.base, "cpu")
    trainer = Trainer(bert, tokenizer, Options())
    trainer.put(mean)
    cards = [json.loads((folder / "card.json").read_text(encoding="utf-8")) for folder in given.readers]
    card: dict[str, Any] = {"name": "reader", "base": cards[0]["base"], "mean_of": cards}
    card["test"] = measured(trainer, read_examples(given.test, tokenizer))
    (given.out / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(card["test"], indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
