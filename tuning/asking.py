"""Questions over an organisation's own passages, written by the small model under a low-rank adapter.

    python -m tuning.asking --model MODEL --train asks.jsonl --passages passages.jsonl --out written.jsonl
        --keep ADAPTER

The adapter learns from real questions (`question_writer.read_asks`); once kept, it asks about names, numbers and
phrases of passages that have no questions.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import torch

from models.causal import load_causal
from tuning.ptune_data import Example
from tuning.question_writer import Ask, Writer, propose, read_asks, row_of

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class AdapterWriter(Writer):
    """A question writer of which only a low-rank adapter learns, or has learnt."""

    def __init__(self, model_path: Path, device: str, *, rank: int = 8, adapter: Path | None = None) -> None:
        from peft import LoraConfig, PeftModel, get_peft_model

        self._tokenizer, model = load_causal(model_path)
        if adapter is None:
            config = LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=2 * rank, target_modules=list(TARGETS))
            self._model: Any = get_peft_model(model, config).to(device)
        else:
            self._model = PeftModel.from_pretrained(model, adapter).merge_and_unload().to(device)
        self._device = device
        self._end = int(self._tokenizer.eos_token_id)

    def keep(self, folder: Path) -> None:
        """Write the adapter in half precision, which is finer than what it is added to."""
        from safetensors.torch import load_file, save_file

        self._model.save_pretrained(folder)
        file = folder / "adapter_model.safetensors"
        save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file)


def example_of(number: int, ask: Ask, written: str) -> Example | None:
    """Return the example of a written question, `None` where it is no question or gives its answer away."""
    row = row_of(ask, written)
    if row is None:
        return None
    return Example(
        f"written-{number}", ask.group, row["question"], (ask.answer,) if ask.answerable else (), ask.passage
    )


def main() -> None:
    """Learn to ask, keep the adapter, and write questions as rows of `tuning.ptune_data`."""
    from tuning.ptune_data import rows_of

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "train", "passages", "out", "keep"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--together", type=int, default=256, help="questions written in one batch")
    parser.add_argument("--per-passage", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=120.0, help="time for writing")
    parser.add_argument("--limit", type=int, help="real questions and passages to use, for a trial")
    given = parser.parse_args()
    torch.manual_seed(3)
    device, chance = "cuda" if torch.cuda.is_available() else "cpu", random.Random(3)
    writer = AdapterWriter(given.model, device, rank=given.rank)
    writer.fit(read_asks(given.train)[: given.limit], given.epochs, given.learning_rate, given.batch)
    writer.keep(given.keep)
    shown = [json.loads(line) for line in given.passages.read_text(encoding="utf-8").splitlines()][: given.limit]
    passages: dict[str, list[str]] = {}
    for row in shown:
        passages.setdefault(row["group"], []).append(row["text"])
    asks = propose(shown, given.per_passage, chance)
    chance.shuffle(asks)
    replies = writer.write(asks, batch=given.together, seconds=given.seconds)
    made = [example_of(number, ask, text) for number, (ask, text) in enumerate(replies)]
    rows = rows_of([example for example in made if example], passages, "written")
    given.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
