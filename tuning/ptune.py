"""Teach a causal language model a task: p-tuning, prompt tuning or LoRA, on one device or several.

    python -m tuning.ptune --data DATA --model MODEL --out OUT --method ptune --tokens 20 --epochs 4
    accelerate launch --num_processes 4 -m tuning.ptune …      several devices of one host

DATA holds train.jsonl and dev.jsonl of `tuning.ptune_data`. Only the added parameters learn. Checkpoints are written
every round; the same command goes on from the last one and ends at the same loss. P-tuning follows Liu et al. 2021
(PEFT's PromptEncoder): the encoder first learns to give embeddings of real tokens, and a penalty keeps the virtual
tokens near the length of real ones: without either they grow a hundredfold and never learn to answer.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.errors import InvalidInput
from models.causal import load_causal
from tuning.ptune_loop import Training, Watch, say
from tuning.ptune_rows import Recipe, read_samples
from tuning.spread import Spread
from tuning.task_store import best_of

START_TEXT = (
    "Answer with the exact words of one passage and its marker, like: 240 hours [2]. "
    "If no passage answers, write NOT_IN_DOCUMENTS."
)


def adapt(model: Any, recipe: Recipe) -> Any:
    """Return the model with the parameters to learn added, everything else frozen."""
    from peft import LoraConfig, PromptEncoderConfig, PromptTuningConfig, get_peft_model

    if recipe.method == "lora":
        targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
        targets += ["gate_proj", "up_proj", "down_proj"] if recipe.wide else []
        config: Any = LoraConfig(
            task_type="CAUSAL_LM", r=recipe.rank, lora_alpha=2 * recipe.rank, target_modules=targets
        )
    elif recipe.method == "prompt":
        config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=recipe.tokens)
    else:
        config = PromptEncoderConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=recipe.tokens,
            encoder_reparameterization_type="MLP",
            encoder_hidden_size=recipe.hidden,
        )
    return get_peft_model(model, config)


def start_from_words(model: Any, tokenizer: Any, recipe: Recipe, text: str) -> None:
    """Set the virtual tokens to embeddings of real tokens."""
    import torch

    ids = tokenizer.encode(text, add_special_tokens=False)
    ids = (ids * math.ceil(recipe.tokens / len(ids)))[: recipe.tokens]
    table = model.get_input_embeddings().weight
    _start_from(model, table[torch.tensor(ids, device=table.device)].detach().float(), recipe)


def start_from_run(model: Any, recipe: Recipe, folder: Path) -> None:
    """Set what learns to what another run learnt."""
    from safetensors.torch import load_file

    best = best_of(folder)
    if recipe.method == "lora":
        from peft import set_peft_model_state_dict

        adapter = {name: tensor.float() for name, tensor in load_file(best / "adapter_model.safetensors").items()}
        unknown = set_peft_model_state_dict(model, adapter).unexpected_keys
        if unknown:
            raise InvalidInput(f"{best} is an adapter of another shape: {unknown[0]}")
        return
    wanted = load_file(best / "virtual_tokens.safetensors")["virtual_tokens"]
    if len(wanted) != recipe.tokens:
        raise InvalidInput(f"{best} has {len(wanted)} virtual tokens, the recipe {recipe.tokens}")
    _start_from(model, wanted.to(model.get_input_embeddings().weight.device), recipe)


def _start_from(model: Any, wanted: Any, recipe: Recipe) -> None:
    """Set the virtual tokens, fitting the prompt encoder to them where there is one."""
    import torch

    encoder = model.prompt_encoder["default"]
    if recipe.method == "prompt":
        encoder.embedding.weight.data.copy_(wanted)
        return
    optimizer = torch.optim.Adam(encoder.parameters(), lr=3e-3)
    places = torch.arange(recipe.tokens, device=wanted.device).unsqueeze(0)
    for _ in range(400):
        loss = (encoder(places)[0].float() - wanted).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def train(
    data: Path, model_path: Path, out: Path, recipe: Recipe, watch: Watch | None = None
) -> list[dict[str, float]]:
    """Learn the task of a data folder and return the losses by round; `watch` hears them and may raise to stop."""
    import torch

    torch.manual_seed(recipe.seed)
    spread = Spread()
    device = spread.device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer, model = load_causal(model_path, torch.bfloat16 if device.type == "cuda" else torch.float32)
    samples = read_samples(data / "train.jsonl", tokenizer, recipe, recipe.limit)
    dev = read_samples(data / "dev.jsonl", tokenizer, recipe)
    if not samples or not dev:
        raise InvalidInput(
            f"{data} has no rows to {'judge by' if samples else 'learn'} of at most {recipe.max_tokens} tokens"
        )
    model = adapt(model.to(device), recipe)
    if recipe.start is not None:
        start_from_run(model, recipe, Path(recipe.start))
    elif recipe.method != "lora":
        start_from_words(model, tokenizer, recipe, START_TEXT)
    dealt, together = math.ceil(len(samples) / recipe.batch), recipe.accumulate * spread.world
    parts = [math.ceil(len(range(part, dealt, recipe.rounds)) / together) for part in range(recipe.rounds)]
    steps = recipe.epochs * sum(parts)
    run = Training(model, tokenizer, recipe, out, steps, watch, spread)
    total = sum(p.numel() for p in model.parameters())
    count = sum(p.numel() for _, p in run.learnt)
    if spread.leads:
        say(f"{len(samples)} rows, {len(dev)} to judge; {count:,} of {total:,} parameters learn, on {device}")
    run.run(samples, dev)
    return run.history


def read_options(arguments: Sequence[str] | None = None) -> tuple[argparse.Namespace, Recipe]:
    """Read the command line; an option of `Recipe` is an option here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "model", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    defaults = asdict(Recipe())
    for name, value in defaults.items():
        choices = {"method": ("ptune", "prompt", "lora"), "prompt": ("brief", "full")}.get(name)
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            parser.add_argument(flag, action="store_true")
        else:
            kind = {"limit": int, "start": str}.get(name, type(value))
            parser.add_argument(flag, type=kind, default=value, choices=choices)
    options = parser.parse_args(arguments)
    return options, Recipe(**{name: getattr(options, name) for name in defaults})


def main() -> None:
    """Train by the command line."""
    options, recipe = read_options()
    train(options.data, options.model, options.out, recipe)


if __name__ == "__main__":
    main()
