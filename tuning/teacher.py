"""A small language model that learns to judge question-passage and claim-passage pairs, or a low-rank change of one."""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, distributed
from torch.nn import functional

from models.causal import load_causal
from models.llama_weights import MAPS
from models.second_reader import CLAIM, NO, QUESTION, YES
from tuning.reader_examples import heard, near_lengths

TARGETS = tuple(name.rpartition(".")[2] for name in MAPS)
CUT = 128
"""Rank that a change is cut to: 39 MB in eight bits a number. 64 costs 0.002 of area over organisations, 0.003 over
filings, 0.01 over clapnq and 0.006 over claims; factors that learn on after the cut know the rows, not more."""
FORMS = {form.name: form for form in (QUESTION, CLAIM)}
"""What a row asks of its passage: its `form`, a question where it names none."""
WEIGHTY = {"squad", "articles", "filings", "clapnq", "mtrag", "talks", "plain", "organisations", "facts"}
WEIGHTY |= {"report", "report-near", "statement"}
"""Sources whose rows count in full: they tempt; what was retrieved or built counts half."""
Row = Mapping[str, Any]
Item = TypeVar("Item")


class Teacher:
    """A causal language model that answers "yes" with an answer, or "no"."""

    def __init__(self, folder: Path, device: str, rank: int | None = None, *, maps_only: bool = False) -> None:
        self._tokenizer, model = load_causal(folder)
        if maps_only:
            for name, weight in model.named_parameters():
                weight.requires_grad = any(target in name for target in TARGETS)
        if rank is not None:
            from peft import LoraConfig, inject_adapter_in_model

            config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=list(TARGETS))
            model = inject_adapter_in_model(config, model)
        self._rank = rank
        learning = {name: weight for name, weight in model.named_parameters() if maps_only and weight.requires_grad}
        self._before = {name: weight.detach().clone() for name, weight in learning.items()}
        self._model = model.to(device)
        self._device = device
        self._kind = torch.device(device).type
        self._end = int(self._tokenizer.eos_token_id)
        self._yes, self._no = (self._tokenizer.encode(word, add_special_tokens=False)[0] for word in (YES, NO))

    def start(self, change: Mapping[str, Tensor]) -> None:
        """Add what a second reader changes to the maps that learn (`models.second_reader.in_floats`)."""
        for name, weight in self._model.named_parameters():
            if name in self._before:
                weight.data += (change[f"{name}.b"] @ change[f"{name}.a"]).to(weight)

    def fit(
        self, rows: Sequence[Row], *, epochs: int, learning_rate: float, batch: int, seconds: float = math.inf
    ) -> None:
        """Tune the weights, or the adapter, on labelled rows; adversarial rows count more than retrieved ones.

        Where the time will not do for all epochs, the rate falls with the time instead. Within a process group each
        process reads its part of every batch, and all learn from the mean of what they saw.
        """
        learning = [weight for weight in self._model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(learning, lr=learning_rate, weight_decay=0.01)
        shuffle = random.Random(11)
        coded = [
            (prompt, self._target(row), bool(row["answerable"]), _weight(row))
            for prompt, row in zip(self._prompts(rows), rows, strict=True)
        ]
        total, step, began = epochs * math.ceil(len(coded) / batch), 0, time.monotonic()
        spoke = began
        self._model.train()
        for _ in range(epochs):
            for chosen in near_lengths(coded, batch, shuffle, lambda item: len(item[0]) + len(item[1])):
                step += 1
                done = _latest(max(step / total, (time.monotonic() - began) / seconds), self._device)
                if done > 1:
                    return
                rise = min(step / (0.06 * total + 1), 0.5 * (1 + math.cos(math.pi * done)) + 0.01)
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate * rise
                loss = self._loss(_own(chosen))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                _average(learning)
                torch.nn.utils.clip_grad_norm_(learning, 1.0)
                optimizer.step()
                if time.monotonic() - spoke > 10 or step == total:
                    spoke = time.monotonic()
                    print(f"reading {step}/{total} loss {float(loss.detach()):.3f}", file=sys.stderr, flush=True)  # noqa: T201

    def keep(self, folder: Path) -> None:
        """Write the adapter, in half precision, and its configuration to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            name.replace(".default.", "."): weight.detach().half().cpu().contiguous()
            for name, weight in self._model.named_parameters()
            if ".lora_" in name
        }
        save_file(tensors, folder / "adapter_model.safetensors")
        config = {"r": self._rank, "lora_alpha": 2 * (self._rank or 0), "target_modules": list(TARGETS)}
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")

    def cut(self, rank: int = CUT) -> dict[str, Tensor]:
        """Cut what the maps learnt to a rank, in place, and return it as `models/llama.py` adds it."""
        found: dict[str, Tensor] = {}
        for name, weight in self._model.named_parameters():
            if name not in self._before:
                continue
            before = self._before[name].to(weight.device)
            left, sizes, right = torch.linalg.svd(weight.detach() - before, full_matrices=False)
            root = sizes[:rank].sqrt()
            change = {"a": root[:, None] * right[:rank], "b": left[:, :rank] * root}
            weight.data = before + change["b"] @ change["a"]
            found |= {f"{name}.{part}": tensor.half().cpu().contiguous() for part, tensor in change.items()}
        return found

    def score(self, rows: Sequence[Row], batch: int = 256) -> list[float]:
        """Return the logit of "yes" over "no" of each row."""
        self._model.eval()
        coded = self._prompts(rows)
        order = sorted(range(len(rows)), key=lambda index: len(coded[index]))
        found = [0.0] * len(rows)
        for begin in range(0, len(order), batch):
            chosen = order[begin : begin + batch]
            ids, mask, last = self._padded([coded[index] for index in chosen])
            with torch.inference_mode(), torch.autocast(self._kind, torch.bfloat16):
                states = self._model.model(input_ids=ids, attention_mask=mask)[0]
                logits = self._model.lm_head(states[torch.arange(len(chosen)), last]).float()
            for index, value in zip(chosen, (logits[:, self._yes] - logits[:, self._no]).tolist(), strict=True):
                found[index] = value
        return found

    def _prompts(self, rows: Sequence[Row]) -> list[list[int]]:
        if not rows:
            return []
        forms = [FORMS[row.get("form", QUESTION.name)] for row in rows]
        texts = [form.prompt(heard(row), row["context"]) for form, row in zip(forms, rows, strict=True)]
        found: list[list[int]] = self._tokenizer(texts, add_special_tokens=False)["input_ids"]
        return found

    def _target(self, row: Row) -> list[int]:
        if not row["answerable"]:
            return [self._no, self._end]
        spans = row["spans"] or ()
        answer = f", {row['context'][slice(*spans[0])]}" if spans else ""
        tail = self._tokenizer.encode(answer, add_special_tokens=False) if answer else []
        return [self._yes, *tail[:24], self._end]

    def _loss(self, chosen: Sequence[tuple[list[int], list[int], bool, float]]) -> Tensor:
        """Cross entropy of yes against no, and of the answer's words."""
        ids, mask, _ = self._padded([[*prompt, *target] for prompt, target, _, _ in chosen])
        labels = torch.full_like(ids, -100)
        for row, (prompt, target, _, _) in enumerate(chosen):
            labels[row, len(prompt) + 1 : len(prompt) + len(target)] = torch.tensor(target[1:], device=ids.device)
        at = torch.tensor([len(prompt) - 1 for prompt, _, _, _ in chosen], device=ids.device)
        truth = torch.tensor([float(yes) for _, _, yes, _ in chosen], device=ids.device)
        weight = torch.tensor([weight for _, _, _, weight in chosen], device=ids.device)
        with torch.autocast(self._kind, torch.bfloat16):
            states = self._model.model(input_ids=ids, attention_mask=mask)[0]
            first = self._model.lm_head(states[torch.arange(len(chosen)), at]).float()
            kept = labels[:, 1:] != -100
            words = self._model.lm_head(states[:, :-1][kept]).float()
        margin = first[:, self._yes] - first[:, self._no]
        told = functional.binary_cross_entropy_with_logits(margin, truth, reduction="none")
        spoken = functional.cross_entropy(words, labels[:, 1:][kept]) if bool(kept.any()) else margin.sum() * 0
        return (told * weight).sum() / weight.sum() + 0.3 * spoken

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor]:
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self._end)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        last = torch.tensor([len(row) - 1 for row in rows])
        return ids.to(self._device), mask.to(self._device), last.to(self._device)


def _weight(row: Row) -> float:
    return 1.0 if row["source"] in WEIGHTY else 0.5


def _own(batch: Sequence[Item]) -> Sequence[Item]:
    """Return this process's part of a batch, the first row where there are fewer rows than processes."""
    if not distributed.is_initialized():
        return batch
    return batch[distributed.get_rank() :: distributed.get_world_size()] or batch[:1]


def _average(weights: Sequence[Tensor]) -> None:
    """Replace gradients by their mean over all processes."""
    if not distributed.is_initialized():
        return
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, mean in zip(gradients, torch.split(flat, [one.numel() for one in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def _latest(done: float, device: str) -> float:
    """Return the share done of the process that is furthest on, so that all stop at the same step."""
    if not distributed.is_initialized():
        return done
    shared = torch.tensor(done, device=device)
    distributed.all_reduce(shared, distributed.ReduceOp.MAX)
    return float(shared)
