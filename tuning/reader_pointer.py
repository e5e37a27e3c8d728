"""Train the pointer of a second reader: which piece of a passage the answer stands in.

    python -m tuning.reader_pointer --second-reader FOLDER --train reader.taught.jsonl --test reader.test.jsonl …

The second reader stays as it is: its states come from the pass that serves, and the pointer alone learns from them
(`models/pointer.py`), with the cross entropy of the right piece among those of its passage. Rows without an answer
teach it nothing. Measured on the rows of the `--test` files whose articles or pages are held out whole: the share of
passages whose right piece comes first. Writes `pointer.safetensors` beside the adapter, and the figures into its card.
Meant for a GPU; with `--start` it goes on from a pointer on the states of a like second reader, for which a few
thousand rows on a CPU will do.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from core.sentences import split_units
from models.gguf_file import read_gguf, tokenizer_of
from models.llama import Llama
from models.llama_eight_bits import EightBitLlama, Ranges, multiplies_bytes
from models.lora import Batch
from models.pointer import FILE, Pointer, load_pointer
from models.reading import touched
from models.second_reader import QUESTION, Prompt, fast_dtype, in_floats, prompts_of
from models.sources import find_weights
from tuning.passages_data import read_rows
from tuning.reader_examples import heard, near_lengths

DEPTHS = (16, 20, 24, 28)
"""Of 30 layers. The last alone knows less of the place: right for 0.77 of squad2's passages, the 20th alone for 0.85,
these for 0.87."""
RANK = 32
RATE, RATE_ON = 1e-3, 3e-4
"""Learning rates, from the beginning and going on."""
BATCH = 64
SEED = 7
LEAST = -1e4
"""Instead of minus infinity, whose gradient is no number."""


@dataclass(frozen=True, slots=True)
class Task:
    """A passage with an answer: what is read, its pieces' tokens, and which of the pieces are right."""

    prompt: Prompt
    pieces: tuple[slice, ...]
    right: frozenset[int]
    source: str


def tasks_of(rows: Sequence[Mapping[str, Any]], tokenizer: Tokenizer) -> list[Task]:
    """Return the answerable rows of more than one piece whose answer was not cut off."""
    chosen = [row for row in rows if row["answerable"] and (row["spans"] or row["support"])]  # never a claim
    prompts = prompts_of(tokenizer, [(QUESTION, heard(row), row["context"]) for row in chosen])
    found = []
    for row, prompt in zip(chosen, prompts, strict=True):
        units = [(unit.start, unit.end) for unit in split_units(row["context"]) if unit.kind != "header"]
        tokens = [touched(prompt.offsets, start, end) for start, end in units]
        kept = [index for index, inside in enumerate(tokens) if inside.stop > inside.start]
        answers = (row["spans"] or ())[:1] or row["support"]
        right = {
            place
            for place, index in enumerate(kept)
            if any(units[index][0] < end and start < units[index][1] for start, end in answers)
        }
        if right and len(kept) > 1:
            found.append(Task(prompt, tuple(tokens[index] for index in kept), frozenset(right), row["source"]))
    return found


def piece_logits(pointed: Tensor, members: Tensor) -> Tensor:
    """Return the logit of every piece, (rows, pieces), from each token's peak and meeting, (rows, 2, tokens).

    `members` says which tokens are of which piece, (rows, pieces, tokens); a piece of none is least likely.
    """
    peaks, meets = pointed[:, 0, None], pointed[:, 1, None]
    highest = peaks.masked_fill(~members, LEAST).amax(-1)
    mean = (meets * members).sum(-1) / members.sum(-1).clamp_min(1)
    return torch.where(members.any(-1), highest + mean, torch.full_like(mean, LEAST))


class Trainer:
    """A second reader that stays as it is, and the pointer that learns from its states."""

    def __init__(self, folder: Path, device: str, start: Path | None = None) -> None:
        """Read the states as they are served: on a CPU in eight bits, where it can.

        Raises:
            ValueError: `start` has no pointer, or one on other states.
        """
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        file = read_gguf(find_weights(str(card["base"])))
        adapter = in_floats(load_file(folder / "adapter.safetensors"))
        self.tokenizer = tokenizer_of(file)
        ranges = Ranges.load(folder)
        self._model: Llama | EightBitLlama
        if device == "cpu" and ranges and multiplies_bytes():
            self._model = EightBitLlama(file, adapter, ranges, DEPTHS, torch.get_num_threads())
        else:
            self._model = Llama(file, device, fast_dtype(device), adapter)
        self._device = device
        self._rate = RATE_ON if start else RATE
        if start:
            learnt = load_pointer(start, device)
            if learnt is None or learnt.depths != DEPTHS:
                raise ValueError(f"{start} has no pointer on the states after layers {DEPTHS}")
            self.pointer = learnt
            return
        width = len(DEPTHS) * self._model.embedding.shape[1]
        self.pointer = Pointer(
            DEPTHS,
            torch.zeros(width, device=device),
            torch.randn(RANK, width, device=device) * (1 / (math.sqrt(RANK) * width)) ** 0.5,
            torch.randn(RANK, width, device=device) * (1 / (math.sqrt(RANK) * width)) ** 0.5,
        )

    def fit(self, tasks: Sequence[Task], epochs: int) -> None:
        """Learn from all tasks so many times."""
        learning = [self.pointer.peak, self.pointer.asked, self.pointer.told]
        for tensor in learning:
            tensor.requires_grad_(True)
        optimizer = torch.optim.AdamW(learning, lr=self._rate, weight_decay=0.01)
        steps = epochs * math.ceil(len(tasks) / BATCH)
        shuffle = random.Random(SEED)
        dealt = (one for _ in range(epochs) for one in near_lengths(tasks, BATCH, shuffle, _length))
        for step, chosen in enumerate(dealt, 1):
            rise = min(step / (0.03 * steps + 1), 0.5 * (1 + math.cos(math.pi * step / steps)) + 0.01)
            optimizer.param_groups[0]["lr"] = self._rate * rise
            logits = self._logits(chosen)
            right = torch.zeros_like(logits, dtype=torch.bool)
            for row, task in enumerate(chosen):
                right[row, list(task.right)] = True
            told = torch.logsumexp(logits.masked_fill(~right, LEAST), 1)
            loss = (torch.logsumexp(logits, 1) - told).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(learning, 5.0)
            optimizer.step()
            if step % 50 == 0 or step == steps:
                print(f"pointing {step}/{steps} loss {float(loss.detach()):.3f}", flush=True)  # noqa: T201

    def first_right(self, tasks: Sequence[Task]) -> dict[str, Any]:
        """Return the share of passages whose right piece comes first, by source."""
        found: dict[str, list[bool]] = {}
        order = sorted(tasks, key=_length)
        for begin in range(0, len(order), BATCH):
            chosen = order[begin : begin + BATCH]
            with torch.no_grad():
                best = self._logits(chosen).argmax(1).tolist()
            for task, place in zip(chosen, best, strict=True):
                found.setdefault(task.source, []).append(place in task.right)
        return {name: {"passages": len(ones), "right": round(sum(ones) / len(ones), 4)} for name, ones in found.items()}

    def _logits(self, chosen: Sequence[Task]) -> Tensor:
        longest = max(len(task.prompt.ids) for task in chosen)
        ids, mask = torch.zeros(len(chosen), longest, dtype=torch.long), torch.zeros(len(chosen), longest)
        members = torch.zeros(len(chosen), max(len(task.pieces) for task in chosen), longest, dtype=torch.bool)
        for row, task in enumerate(chosen):
            ids[row, : len(task.prompt.ids)] = torch.tensor(task.prompt.ids)
            mask[row, : len(task.prompt.ids)] = 1
            for piece, inside in enumerate(task.pieces):
                members[row, piece, task.prompt.first + inside.start : task.prompt.first + inside.stop] = True
        batch = Batch(ids, torch.zeros_like(ids), mask.long()).to(self._device)
        if isinstance(self._model, EightBitLlama):
            lengths = [len(task.prompt.ids) for task in chosen]
            _, joined = self._model.read([task.prompt.ids for task in chosen])
            states = pad_sequence(list(torch.split(joined, lengths)), batch_first=True)
        else:
            _, within = self._model.read_rows(batch, DEPTHS)
            states = within.clone()  # made for inference alone, which the learning must not see
        last = states[torch.arange(len(chosen)), batch.mask.sum(1) - 1]
        return piece_logits(self.pointer.point(states, last), members.to(self._device))


def _length(task: Task) -> int:
    return len(task.prompt.ids)


def write_pointer(folder: Path, pointer: Pointer, told: Mapping[str, Any]) -> None:
    """Write the pointer beside the adapter, and what is told of it into the card."""
    tensors = {name: getattr(pointer, name).detach().half().cpu().contiguous() for name in ("peak", "asked", "told")}
    save_file(tensors, folder / FILE, metadata={"depths": json.dumps(DEPTHS)})
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["pointer"] = dict(told)
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--second-reader", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, nargs="+", required=True)
    parser.add_argument("--start", type=Path, help="folder of the pointer to go on from")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--limit", type=int, help="rows to use of each file, for a trial")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    torch.manual_seed(SEED)
    trainer = Trainer(given.second_reader, given.device, given.start)
    tasks = tasks_of(read_rows(given.train)[: given.limit], trainer.tokenizer)
    trainer.fit(tasks, given.epochs)
    held = [row for path in given.test for row in read_rows(path)[: given.limit] if row["held"] == "group"]
    told: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "passages": len(tasks),
        "rank": RANK,
        "options": {
            "epochs": given.epochs,
            "learning_rate": RATE_ON if given.start else RATE,
            "batch": BATCH,
            "seed": SEED,
        },
        "unseen": trainer.first_right(tasks_of(held, trainer.tokenizer)),
    }
    if given.start:
        told["start"] = json.loads((given.start / "card.json").read_text(encoding="utf-8"))["pointer"]["date"]
    print(json.dumps(told, indent=1))  # noqa: T201
    write_pointer(given.second_reader, trainer.pointer, told)


if __name__ == "__main__":
    main()
