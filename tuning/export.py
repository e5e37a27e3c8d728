"""Bake p-tuned tasks into a checkpoint that any server serves as it is.

    python -m tuning.export --model MODEL --task answer=RUN/best --check DATA/test.jsonl --out FOLDER

The virtual tokens become added tokens `<|ptune_answer_0|>` …; a request for the task is ordinary text that starts with
them (`task_prefix`), and the chat template writes them where `chat_template_kwargs` names the task. With tied
embeddings their logits would beat every real token, so the head is untied, and the rows of the added tokens are turned
against what the model puts out: the export measures, on every position of the check prompts, by how much they lose, and
refuses where that is not enough at any usual temperature.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

from core.errors import InvalidInput
from core.types import PromptName
from generation.stops import stop_ids
from generation.tasks import TASK_FILE
from tuning.base_model import load_plain
from tuning.judge import pad_left
from tuning.ptune_rows import messages_of, read_rows

TOKENS_FILE = "virtual_tokens.safetensors"
MAX_DIFFERENCE = 1e-3  # logits, float32: beyond it the folder does not do what was trained
TOGETHER = 25  # prompts continued in one batch
LOSING_MARGIN = 1000.0  # nats below the best real token: nothing even at a temperature of 20
LONGEST = 40  # powers of two of a losing row's length: trillions of nats, for any temperature a server takes
LONGEST_FLOAT16 = 10  # half precision overflows beyond


def task_tokens(task: str, count: int) -> list[str]:
    """Return the added tokens of a task."""
    return [f"<|ptune_{task}_{place}|>" for place in range(count)]


def task_prefix(task: str, count: int) -> str:
    """Return the text that a request for the task starts with."""
    return "".join(task_tokens(task, count))


def bake(
    tokenizer: Any, model: Any, tasks: Mapping[str, Any], prompts: Sequence[str], longest: int = LONGEST
) -> tuple[Any, dict[str, Any]]:
    """Return the model with the tasks' virtual tokens in its table and what was measured; changes both arguments."""
    import torch

    real = model.get_input_embeddings().weight.shape[0]
    head = model.get_output_embeddings().weight.detach().clone()
    names = {task: task_tokens(task, rows.shape[0]) for task, rows in tasks.items()}
    tokenizer.add_special_tokens({"additional_special_tokens": [name for task in names.values() for name in task]})
    model.resize_token_embeddings(max(len(tokenizer), real), mean_resizing=False)
    table = model.get_input_embeddings().weight
    for task, rows in tasks.items():
        ids = tokenizer.convert_tokens_to_ids(names[task])
        table.data[ids] = rows.to(table.dtype)
    _untie(model, head, table.shape[0])
    states = _states(tokenizer, model, tasks, prompts, real)
    losing, report = _losing_row(states, head, real, longest)
    first = min(min(tokenizer.convert_tokens_to_ids(task)) for task in names.values())
    with torch.no_grad():
        model.get_output_embeddings().weight[first:] = losing
    model.generation_config.suppress_tokens = list(range(first, table.shape[0]))
    model.generation_config.eos_token_id = [number for number in stop_ids(tokenizer) if number < first]
    return model, report


def _untie(model: Any, head: Any, size: int) -> None:
    """Give the model a head of its own: the old one, with room for the added tokens."""
    import torch

    model.config.tie_word_embeddings = False
    output = torch.nn.Linear(head.shape[1], size, bias=False, dtype=head.dtype, device=head.device)
    with torch.no_grad():
        output.weight.zero_()
        output.weight[: head.shape[0]] = head
    model.set_output_embeddings(output)


def _states(tokenizer: Any, model: Any, tasks: Mapping[str, Any], prompts: Sequence[str], real: int) -> Any:
    """Return what the head sees at every real token of the prompts, with each task and without: (n, dimension)."""
    import torch

    prefixes = ["", *(task_prefix(task, rows.shape[0]) for task, rows in tasks.items())]
    found = []
    with torch.no_grad():
        for number, prompt in enumerate(prompts):
            text = prefixes[number % len(prefixes)] + prompt
            ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids.to(model.device)
            states = model.base_model(input_ids=ids).last_hidden_state[0].float()
            found.append(states[ids[0] < real])  # nothing is sampled between virtual tokens
    return torch.cat(found)


def _losing_row(states: Any, head: Any, real: int, longest: int = LONGEST) -> tuple[Any, dict[str, Any]]:
    """Return a head row whose logit stays far below the best real one.

    The states of a trained model mostly share a direction. One is fitted on a half of the states so that even the
    least of them lies along it; how far a row goes against it is chosen on a quarter, and how surely it loses is
    measured on the last quarter, which had no part in either.
    """
    import torch

    best = torch.cat([(part @ head[:real].float().T).max(dim=1).values for part in states.split(256)])
    half, rest = len(states) // 2, 3 * len(states) // 4
    direction = _shared_direction(states[:half])
    along = states @ direction
    scales = [2.0**power for power in range(-2, longest + 1)]
    chosen = max(scales, key=lambda scale: float((best + scale * along)[half:rest].min()))
    margins = best + chosen * along
    report = {
        "states": len(states),
        "losing_scale": chosen,
        "losing_margin_fitted": float(margins[:rest].min()),
        "losing_margin": float(margins[rest:].min()),
    }
    return (-chosen * direction).to(head.dtype), report


def _shared_direction(states: Any) -> Any:
    """Return the unit vector along which even the least of the states lies farthest, by a soft minimum."""
    import torch

    unit = states / states.norm(dim=1, keepdim=True)
    direction = unit.mean(dim=0).clone().requires_grad_(True)
    optimizer = torch.optim.Adam([direction], lr=0.01)
    for step in range(600):
        sharpness = 20.0 + step / 2
        along = unit @ (direction / direction.norm())
        loss = torch.logsumexp(-sharpness * along, dim=0) / sharpness
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return (direction / direction.norm()).detach()


def compare(tokenizer: Any, baked: Any, base: Any, task: str, rows: Any, prompts: Sequence[str]) -> dict[str, Any]:
    """Compare the baked model with the virtual tokens put in front by hand: logits and greedy continuations."""
    import torch

    prefix, real = task_prefix(task, rows.shape[0]), base.get_input_embeddings().weight.shape[0]
    rows, worst, same, ends = rows.to(base.device), 0.0, 0, set(stop_ids(tokenizer))
    with torch.no_grad():
        for start in range(0, len(prompts), TOGETHER):
            by_hand, by_token = [], []
            for prompt in prompts[start : start + TOGETHER]:
                ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids.to(base.device)
                by_hand.append(torch.cat([rows, base.get_input_embeddings()(ids)[0]]))
                wanted = base(inputs_embeds=by_hand[-1][None]).logits[0, len(rows) :]
                full = tokenizer(prefix + prompt, return_tensors="pt", add_special_tokens=False).input_ids
                found = baked(input_ids=full.to(base.device)).logits[0, len(rows) :, :real]
                worst = max(worst, float((wanted - found).abs().max()))
                by_token.append(baked.get_input_embeddings()(full.to(base.device))[0])
            texts = zip(greedy(base, by_hand, ends), greedy(baked, by_token, ends), strict=True)
            same += sum(one == other for one, other in texts)
    return {"prompts": len(prompts), "max_logit_difference": worst, "greedy_identical": same / max(len(prompts), 1)}


def greedy(model: Any, rows: Sequence[Any], ends: Collection[int], length: int = 32) -> list[list[int]]:
    """Continue embeddings greedily and return the new token ids of each, up to the end of the reply."""
    embedded, mask = pad_left(rows)
    made = model.generate(
        inputs_embeds=embedded, attention_mask=mask, max_new_tokens=length, do_sample=False, eos_token_id=list(ends)
    )
    return [list(takewhile(lambda token: token not in ends, row)) for row in made.tolist()]


def read_prompts(path: Path, tokenizer: Any, limit: int, prompt: PromptName) -> list[str]:
    """Return the first prompts of a data file, as the chat template renders them."""
    messages = [messages_of(row, prompt) for row in read_rows(path, limit)]
    return [tokenizer.apply_chat_template(one, add_generation_prompt=True, tokenize=False) for one in messages]


def add_tasks(template: str, tasks: Mapping[str, int]) -> str:
    """Return a chat template that puts a task's tokens in front where a request names the task."""
    known = ", ".join(f"'{task}': '{task_prefix(task, count)}'" for task, count in tasks.items())
    return (
        f"{{%- set attest_tasks = {{{known}}} -%}}"
        "{%- if task is defined and task -%}"
        "{%- if task not in attest_tasks -%}{{- raise_exception('no task of this name') -}}{%- endif -%}"
        "{{- attest_tasks[task] -}}"
        "{%- endif -%}" + template
    )


def export(
    model_path: Path, runs: Mapping[str, Path], *, check: Path, out: Path, limit: int = 200, dtype: str = "float32"
) -> dict[str, Any]:
    """Write the baked folder and return what was measured, in float32 whatever the folder is written in.

    Raises:
        InvalidInput: a task's folder holds no virtual tokens.
        ValueError: the folder would not give the trained model's logits, or an added token could win.
    """
    import torch
    from safetensors.torch import load_file

    for task, run in runs.items():
        if not (run / TOKENS_FILE).is_file():
            raise InvalidInput(
                f"{task}={run}: no {TOKENS_FILE} there; give a p-tuned run or task (adapters need no export)"
            )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer, model = load_plain(model_path)
    _, base = load_plain(model_path)
    model, base = model.to(device).eval(), base.to(device).eval()
    tasks = {task: load_file(run / TOKENS_FILE, device)["virtual_tokens"] for task, run in runs.items()}
    prompts = {task: read_prompts(check, tokenizer, limit, _prompt(run)) for task, run in runs.items()}
    mixed = [prompt for together in zip(*prompts.values(), strict=True) for prompt in together]
    baked, report = bake(tokenizer, model, tasks, mixed, LONGEST_FLOAT16 if dtype == "float16" else LONGEST)
    for task, rows in tasks.items():
        report[task] = compare(tokenizer, baked, base, task, rows, prompts[task])
        if report[task]["max_logit_difference"] > MAX_DIFFERENCE:
            raise ValueError(f"{task}: logits differ by {report[task]['max_logit_difference']:.4g}")
    if report["losing_margin"] < LOSING_MARGIN:
        raise ValueError(f"an added token comes within {report['losing_margin']:.1f} nats of winning")
    report["tasks"] = {task: {"tokens": rows.shape[0], "prompt": _prompt(runs[task])} for task, rows in tasks.items()}
    tokenizer.chat_template = add_tasks(tokenizer.chat_template, {task: rows.shape[0] for task, rows in tasks.items()})
    baked.to(getattr(torch, dtype)).save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "attest_tasks.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return report


def _prompt(run: Path) -> PromptName:
    """Return the prompt a run was trained with."""
    file = run / TASK_FILE
    return cast(PromptName, json.loads(file.read_text(encoding="utf-8"))["prompt"]) if file.is_file() else "brief"


def main() -> None:
    """Export by the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--task", action="append", required=True, help="NAME=FOLDER of virtual_tokens.safetensors")
    parser.add_argument("--check", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    options = parser.parse_args()
    runs = {name: Path(folder) for name, _, folder in (task.partition("=") for task in options.task)}
    report = export(options.model, runs, check=options.check, out=options.out, limit=options.limit, dtype=options.dtype)
    print(json.dumps(report))  # noqa: T201 - the script's answer


if __name__ == "__main__":
    main()
