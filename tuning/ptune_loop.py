"""The training loop of `tuning.ptune`: epochs, checkpoints, early stopping, resuming at the same loss."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from generation.tasks import TASK_FILE
from tuning.ptune_rows import IGNORED, Recipe, Sample, batches, collate
from tuning.spread import Spread

Watch = Callable[[list[dict[str, float]]], None]


def virtual_tokens(model: Any, recipe: Recipe) -> Any:
    """Return the virtual tokens as they are now, shape (tokens, dimension)."""
    import torch

    encoder = model.prompt_encoder["default"]
    places = torch.arange(recipe.tokens, device=next(encoder.parameters()).device)
    return encoder(places.unsqueeze(0))[0] if recipe.method == "ptune" else encoder(places)


def target_loss(model: Any, recipe: Recipe, tensors: dict[str, Any]) -> Any:
    """Return the mean loss over the target tokens; the head, a fifth of a small model, runs on those alone."""
    import torch

    inner, labels = model.get_base_model(), tensors["labels"]
    embedded, mask = inner.get_input_embeddings()(tensors["input_ids"]), tensors["attention_mask"]
    virtual = 0
    if recipe.method != "lora":
        rows = virtual_tokens(model, recipe).to(embedded.dtype)
        virtual = len(rows)
        embedded = torch.cat([rows.expand(len(labels), -1, -1), embedded], dim=1)
        mask = torch.cat([mask.new_ones(len(labels), virtual), mask], dim=1)
    decoder = inner.get_decoder()
    states = decoder(inputs_embeds=embedded, attention_mask=mask, use_cache=False).last_hidden_state[:, virtual:]
    wanted = labels[:, 1:] != IGNORED
    logits = inner.get_output_embeddings()(states[:, :-1][wanted]).float()
    return torch.nn.functional.cross_entropy(logits, labels[:, 1:][wanted])


class Training:
    """One run: its model, optimiser, and how many rounds it has come."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        recipe: Recipe,
        out: Path,
        steps: int,
        watch: Watch | None = None,
        spread: Spread | None = None,
    ) -> None:
        import torch

        self.watch, self.spread = watch, spread or Spread()
        self.model, self.tokenizer, self.recipe, self.out = model, tokenizer, recipe, out
        self.learnt = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW([p for _, p in self.learnt], lr=recipe.learning_rate, weight_decay=0.0)
        self.steps, self.step, self.epoch = steps, 0, 0
        self.history: list[dict[str, float]] = []
        self.device = next(model.parameters()).device
        norms = model.get_input_embeddings().weight.float().norm(dim=1)
        self.usual_norm = float(norms.mean())

    def run(self, train: Sequence[Sample], dev: Sequence[Sample]) -> None:
        """Learn round by round from where the last checkpoint stands, until the loss on dev stops falling."""
        self._resume()
        while self.epoch < self.recipe.epochs * self.recipe.rounds and not self._stale():
            started = time.monotonic()
            loss = self._round(train)
            self.epoch += 1
            judged = self.loss_on(dev)
            entry = {"epoch": self.epoch, "train_loss": loss, "dev_loss": judged, "seconds": time.monotonic() - started}
            self.history.append(entry)
            self._say(f"round {self.epoch}: train {loss:.4f}, dev {judged:.4f}, {entry['seconds']:.0f} s")
            if self.spread.leads:
                self._keep()
            self.spread.wait()
            if self.watch is not None:
                self.watch(self.history)

    def _round(self, train: Sequence[Sample]) -> float:
        self.model.train()
        whole, part = divmod(self.epoch, self.recipe.rounds)
        dealt = batches(train, self.recipe.batch, f"{self.recipe.seed}:{whole}")[part :: self.recipe.rounds]
        dealt = self.spread.share(dealt)
        total, began = 0.0, time.monotonic()
        for number, batch in enumerate(dealt, 1):
            total += self._learn(batch)
            if number % self.recipe.accumulate == 0 or number == len(dealt):
                self._move()
            if number % 25 == 0 and self.spread.leads:
                left = (time.monotonic() - began) / number * (len(dealt) - number)
                say(f"  {number}/{len(dealt)} batches, loss {total / number:.4f}, {left:.0f} s left in this round")
        return self.spread.mean(total, len(dealt))

    def _learn(self, batch: Sequence[Sample]) -> float:
        loss = self._loss(batch)
        whole = loss + self._penalty()
        (whole / self.recipe.accumulate).backward()
        return float(loss.detach())

    def _loss(self, batch: Sequence[Sample]) -> Any:
        import torch

        tensors = collate(batch, self.tokenizer.pad_token_id or self.tokenizer.eos_token_id, self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            return target_loss(self.model, self.recipe, tensors)

    def _penalty(self) -> Any:
        """Return the cost of virtual tokens longer than twice a real one."""
        if self.recipe.method == "lora":
            return 0.0
        norms = virtual_tokens(self.model, self.recipe).float().norm(dim=-1)
        return self.recipe.norm_penalty * (norms / self.usual_norm - 2).clamp(min=0).pow(2).mean()

    def _move(self) -> None:
        import torch

        rate = self.recipe.learning_rate * _schedule(self.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.spread.average_gradients([p for _, p in self.learnt])
        torch.nn.utils.clip_grad_norm_([p for _, p in self.learnt], 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1

    def loss_on(self, samples: Sequence[Sample]) -> float:
        """Return the mean loss over batches of samples."""
        import torch

        self.model.eval()
        with torch.no_grad():
            dealt = self.spread.share(batches(samples, self.recipe.batch, "dev"))
            losses = [float(self._loss(batch)) for batch in dealt]
        return self.spread.mean(sum(losses), len(losses))

    def _say(self, line: str) -> None:
        if self.spread.leads:
            say(line)

    def _stale(self) -> bool:
        losses = [entry["dev_loss"] for entry in self.history]
        return len(losses) > self.recipe.patience and min(losses[-self.recipe.patience :]) >= min(
            losses[: -self.recipe.patience]
        )

    def _keep(self) -> None:
        """Write what resuming needs; keep the adapter of the best epoch beside it."""
        from safetensors.torch import save_file

        state = {f"parameter.{name}": p.detach().contiguous() for name, p in self.learnt}
        for index, (_, p) in enumerate(self.learnt):
            moments = self.optimizer.state[p]
            state |= {f"moment.{index}.{key}": value.detach().contiguous() for key, value in moments.items()}
        self.out.mkdir(parents=True, exist_ok=True)
        save_file(state, self.out / "state.safetensors.part")
        progress = {"recipe": asdict(self.recipe), "step": self.step, "epoch": self.epoch, "history": self.history}
        (self.out / "state.safetensors.part").replace(self.out / "state.safetensors")
        (self.out / "progress.json").write_text(json.dumps(progress, indent=1), encoding="utf-8")
        if self.history[-1]["dev_loss"] == min(entry["dev_loss"] for entry in self.history):
            self._publish()

    def _publish(self) -> None:
        from safetensors.torch import save_file

        (self.out / "best").mkdir(exist_ok=True)
        task = {name: getattr(self.recipe, name) for name in ("method", "prompt", "tokens")}
        task["trained_parameters"] = sum(parameter.numel() for _, parameter in self.learnt)
        (self.out / "best" / TASK_FILE).write_text(json.dumps(task), encoding="utf-8")
        if self.recipe.method == "lora":
            self.model.save_pretrained(self.out / "best")
            return
        tokens = virtual_tokens(self.model, self.recipe).detach().float().cpu().contiguous()
        save_file({"virtual_tokens": tokens}, self.out / "best" / "virtual_tokens.safetensors")

    def _resume(self) -> None:
        from safetensors.torch import load_file

        if not (self.out / "progress.json").is_file():
            return
        progress = json.loads((self.out / "progress.json").read_text(encoding="utf-8"))
        if progress["recipe"] != asdict(self.recipe):
            raise SystemExit(f"{self.out} holds a run with another recipe; give another --out")
        state = load_file(self.out / "state.safetensors", device=str(self.device))
        for index, (name, parameter) in enumerate(self.learnt):
            parameter.data.copy_(state[f"parameter.{name}"])
            prefix = f"moment.{index}."
            moments = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            self.optimizer.state[parameter] = {
                key: value.cpu() if key == "step" else value for key, value in moments.items()
            }
        self.step, self.epoch, self.history = progress["step"], progress["epoch"], progress["history"]
        self._say(f"going on after round {self.epoch}")


def _schedule(step: int, steps: int) -> float:
    """Rise over the first twentieth, then fall along a half cosine to a twentieth."""
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))


def say(line: str) -> None:
    """Tell whoever watches."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
