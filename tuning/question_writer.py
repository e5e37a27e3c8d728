"""Teach the small instruct model to ask, then let it write questions over passages that have none.

    python -m tuning.question_writer --model FOLDER --train reader.train.jsonl --passages passages.jsonl
        --out reader_synth.train.jsonl

The model is tuned on the real questions of the reader's training split: passage and answer in, question out, and
passage and tempting wrong answer in, unanswerable question out. What it then writes, some 25,000 rows over articles
without questions, is only the reader's pre-training; nothing of the tuned model is kept. Meant for a GPU (five
minutes). Needs torch and transformers; a packed model is unpacked by `tuning.base_model`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.causal import load_causal
from tuning.perturb import names_of, numbers_of

LONGEST_PASSAGE = 1100
"""Characters; what is longer costs prompt tokens and gives no better questions."""
_LEADS = {True: "Answer", False: "Not the answer"}


@dataclass(frozen=True, slots=True)
class Ask:
    """What a question is to be written about."""

    passage: str
    answer: str
    answerable: bool
    question: str = ""
    group: str = ""

    @property
    def prompt(self) -> str:
        """The text the model continues with a question."""
        return f"Passage: {self.passage[:LONGEST_PASSAGE]}\n{_LEADS[self.answerable]}: {self.answer}\nQuestion:"


def read_asks(path: Path) -> list[Ask]:
    """Return the real questions with an answer, or with a tempting wrong one, from the reader's training rows."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["source"] != "squad":
            continue
        spans = row["spans"] or row.get("wrong") or []
        if spans and spans[0][1] < LONGEST_PASSAGE:
            answer = row["context"][slice(*spans[0])]
            found.append(Ask(row["context"], answer, bool(row["answerable"]), row["question"], row["group"]))
    return found


def propose(
    rows: Sequence[Mapping[str, Any]], per_passage: int, chance: random.Random, answerable: float = 0.5
) -> list[Ask]:
    """Return answers to ask about: names, numbers and phrases of each passage, as many as its `asks` says."""
    found = []
    for row in rows:
        text = row["text"]
        pool = [
            *names_of(text),
            *numbers_of(text),
            *re.findall(r"\b(?:in|by|for|from|with|called|as) ([a-z][a-z]+ [a-z]+)\b", text),
        ]
        pool = [answer for answer in dict.fromkeys(pool) if 0 <= text.find(answer) < LONGEST_PASSAGE - len(answer)]
        for answer in chance.sample(pool, min(row.get("asks", per_passage), len(pool))):
            found.append(Ask(text, answer, chance.random() < answerable, group=row["group"]))
    return found


class Writer:
    """A causal language model that is tuned to continue prompts with questions."""

    def __init__(self, folder: Path, device: str) -> None:
        self._tokenizer, model = load_causal(folder)
        self._model = model.to(device)
        self._device = device
        self._end = int(self._tokenizer.eos_token_id)

    def fit(self, asks: Sequence[Ask], epochs: int, learning_rate: float, batch: int) -> None:
        """Tune all weights on the questions."""
        optimizer = torch.optim.AdamW(self._model.parameters(), lr=learning_rate, weight_decay=0.01)
        total = epochs * math.ceil(len(asks) / batch)
        shuffle = random.Random(5)
        self._model.train()
        step = 0
        for _ in range(epochs):
            order = shuffle.sample(list(asks), len(asks))
            for begin in range(0, len(order), batch):
                step += 1
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate * min(step / 30, 0.5 * (1 + math.cos(math.pi * step / total)) + 0.02)
                ids, mask, labels = self._training_batch(order[begin : begin + batch])
                with torch.autocast(self._device, torch.bfloat16):
                    loss = self._model(input_ids=ids, attention_mask=mask, labels=labels).loss
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
                optimizer.step()
                if step % 50 == 0 or step == total:
                    print(f"asking {step}/{total} loss {float(loss.detach()):.3f}", file=sys.stderr, flush=True)  # noqa: T201

    def write(self, asks: Sequence[Ask], batch: int, seconds: float) -> Iterator[tuple[Ask, str]]:
        """Yield a sampled question for each, until the time is over."""
        self._model.eval().to(torch.float32 if self._device == "cpu" else torch.bfloat16)
        began = time.monotonic()
        self._tokenizer.padding_side = "left"
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token_id = self._end
        pools = [asks[begin : begin + 8 * batch] for begin in range(0, len(asks), 8 * batch)]
        asks = [ask for pool in pools for ask in sorted(pool, key=lambda ask: len(ask.passage))]
        for begin in range(0, len(asks), batch):
            if time.monotonic() - began > seconds:
                return
            part = asks[begin : begin + batch]
            inputs = self._tokenizer([ask.prompt for ask in part], return_tensors="pt", padding=True).to(self._device)
            with torch.inference_mode():
                out = self._model.generate(
                    input_ids=inputs["input_ids"],
                    attention_mask=inputs["attention_mask"],
                    max_new_tokens=32,
                    do_sample=True,
                    temperature=0.7,
                    top_p=0.9,
                    eos_token_id=self._end,
                    pad_token_id=self._tokenizer.pad_token_id,
                )
            texts = self._tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            yield from zip(part, texts, strict=True)

    def _training_batch(self, asks: Sequence[Ask]) -> tuple[Tensor, Tensor, Tensor]:
        rows = []
        for ask in asks:
            head = self._tokenizer.encode(ask.prompt, add_special_tokens=False)
            rows.append((head, [*self._tokenizer.encode(" " + ask.question, add_special_tokens=False), self._end]))
        longest = max(len(head) + len(tail) for head, tail in rows)
        ids = torch.full((len(rows), longest), self._end)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        labels = torch.full((len(rows), longest), -100)
        for index, (head, tail) in enumerate(rows):
            both = [*head, *tail]
            ids[index, : len(both)] = torch.tensor(both)
            mask[index, : len(both)] = 1
            labels[index, len(head) : len(both)] = torch.tensor(tail)
        return ids.to(self._device), mask.to(self._device), labels.to(self._device)


def row_of(ask: Ask, written: str) -> dict[str, Any] | None:
    """Return the reader's row for a written question, `None` where it is no question or gives its answer away."""
    question = written.strip().split("\n")[0].strip()
    if not question.endswith("?") or len(question.split()) < 4 or ask.answer.casefold() in question.casefold():
        return None
    at = ask.passage.find(ask.answer)
    made = {"question": question, "context": ask.passage, "group": ask.group, "source": "written"}
    if not ask.answerable:
        return {**made, "spans": [], "support": [], "answerable": 0}
    from core.sentences import split_sentences

    support = next(([a, b] for a, b in split_sentences(ask.passage) if a <= at < b), None)
    return {
        **made,
        "spans": [[at, at + len(ask.answer)]],
        "support": None if support is None else [support],
        "answerable": 1,
    }


def main() -> None:
    """Tune, write, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--per-passage", type=int, default=6)
    parser.add_argument("--answerable", type=float, default=0.5, help="share of the questions meant to have an answer")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--together", type=int, default=768, help="questions written in one batch")
    parser.add_argument("--all-passages", action="store_true", help="those of held-out groups as well")
    parser.add_argument("--seconds", type=float, default=180.0, help="time for writing")
    parser.add_argument("--limit", type=int, help="real questions and passages to use, for a trial")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    torch.manual_seed(given.seed)
    writer = Writer(given.model, given.device)
    writer.fit(read_asks(given.train)[: given.limit], given.epochs, given.learning_rate, given.batch)
    passages = [json.loads(line) for line in given.passages.read_text(encoding="utf-8").splitlines()]
    passages = [row for row in passages if given.all_passages or not row.get("held")]
    chance.shuffle(passages)
    asks = propose(passages[: given.limit], given.per_passage, chance, given.answerable)
    chance.shuffle(asks)
    written = 0
    with given.out.open("w", encoding="utf-8") as file:
        for ask, text in writer.write(asks, batch=given.together, seconds=given.seconds):
            row = row_of(ask, text)
            if row is not None:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                written += 1
    print(f"{written} questions over {len(passages)} passages")  # noqa: T201


if __name__ == "__main__":
    main()
