"""False claims as a language model makes them up: a sentence's beginning from a passage, its end from nowhere.

    python -m tuning.completions --model MODEL --passages reader_passages.jsonl --out completions.jsonl [--seconds 40]

The model sees the passage's first sentence and the beginning of another, and goes on. What it adds is fluent, on the
subject and not in the passage: what abstractive summaries add. Ends that the passage does hold are left out. Rows are
those of `tuning/verify_data.py`, to train on only. Meant for a GPU.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.sentences import split_sentences
from core.words import content_words, coverage
from models.causal import load_causal

TOGETHER = 384
"""Sentences completed in one batch."""
_END = re.compile(r"(?<=[a-z0-9)\"”])[.!?](?:\s|$)")


@dataclass(frozen=True, slots=True)
class Begun:
    """A sentence to complete."""

    passage: str
    group: str
    shown: str
    """What the model sees before the sentence."""
    start: str


def begin(rows: Sequence[Mapping[str, Any]], chance: random.Random) -> Iterator[Begun]:
    """Yield up to two beginnings a passage, cut between a third and two thirds."""
    for row in rows:
        text = row["text"]
        told = [text[a:b] for a, b in split_sentences(text)]
        long = [sentence for sentence in told[1:] if 10 <= len(sentence.split()) <= 40 and sentence[0].isupper()]
        for sentence in chance.sample(long, min(2, len(long))):
            words = sentence.split()
            kept = max(4, round(len(words) * chance.uniform(0.33, 0.66)))
            yield Begun(text, row["group"], told[0], " ".join(words[:kept]))


def finished(begun: Begun, reply: str) -> dict[str, Any] | None:
    """Return the row of a completed sentence, `None` where it has no end or the passage holds what was added."""
    end = _END.search(reply)
    added = reply[: end.end()].strip() if end else ""
    if len(content_words(added)) < 3 or "\n" in added or coverage(added, begun.passage) > 0.5:
        return None
    claim = f"{begun.start} {added}"
    made = {"group": begun.group, "kind": "completed", "weight": 0.6, "train_only": True}
    return {"a": claim, "b": begun.passage, "label": 0, **made}


def complete(model_path: Path, begun: Sequence[Begun], device: str, seconds: float) -> Iterator[tuple[Begun, str]]:
    """Yield what the model goes on with, until the time is over."""
    tokenizer, model = load_causal(model_path)
    model = model.to(device, torch.bfloat16 if device != "cpu" else torch.float32).eval()
    tokenizer.padding_side = "left"
    tokenizer.pad_token_id = tokenizer.pad_token_id or tokenizer.eos_token_id
    began = time.monotonic()
    for at in range(0, len(begun), TOGETHER):
        if time.monotonic() - began > seconds:
            return
        part = begun[at : at + TOGETHER]
        inputs = tokenizer([f"{one.shown} {one.start}" for one in part], return_tensors="pt", padding=True).to(device)
        with torch.inference_mode():
            out = model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=36,
                do_sample=True,
                temperature=0.8,
                top_p=0.9,
                pad_token_id=tokenizer.pad_token_id,
            )
        replies = tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        yield from zip(part, replies, strict=True)


def main() -> None:
    """Begin, complete, keep what is false."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "passages", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--most", type=int, default=9000, help="sentences to complete")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    torch.manual_seed(19)
    chance = random.Random(19)
    rows = [json.loads(line) for line in given.passages.read_text(encoding="utf-8").splitlines()]
    begun = list(begin(rows, chance))
    begun = chance.sample(begun, min(given.most, len(begun)))
    made = [finished(one, reply) for one, reply in complete(given.model, begun, given.device, given.seconds)]
    kept = [row for row in made if row]
    given.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept), encoding="utf-8")
    print(f"{len(kept)} false claims of {len(made)} completions")  # noqa: T201


if __name__ == "__main__":
    main()
