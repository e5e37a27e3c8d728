"""Bake p-tuned tasks into a checkpoint that any server serves as it is.

    python -m tuning.export --model MODEL --task answer=RUN/best --check DATA/test.jsonl --out FOLDER

The virtual tokens become added tokens `<|ptune_answer_0|>` …; a request for the task is ordinary text that starts with
them (`task_prefix`), and the chat template writes them where `chat_template_kwargs` names the task. With tied
embeddings their logits would beat every real token, so the head is untied, and the rows of the added tokens lose by a
channel of their own (`tuning.widen`): by how much at least, in any state there can be, is proved from the weights. The
check prompts show that the folder gives the logits and the text of what was trained. Where either fails, nothing is
written.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

from core.errors import InvalidInput
from core.types import PromptName
from generation.stops import stop_ids
from generation.tasks import TASK_FILE
from models.causal import load_causal
from tuning.judge import pad_left
from tuning.ptune_rows import messages_of, read_rows
from tuning.task_store import check_name
from tuning.widen import losing_row, proved_margin, widen

TOKENS_FILE = "virtual_tokens.safetensors"
MAX_DIFFERENCE = 1e-3  # logits, float32: beyond it the folder does not do what was trained
TOGETHER = 25  # prompts continued in one batch
SAME_TEXT = 0.99  # of the greedy continuations; rounding decides the rest
LOSING_MARGIN = 1e9  # nats below the best real token: nothing at any temperature


def task_tokens(task: str, count: int) -> list[str]:
    """Return the added tokens of a task."""
    return [f"<|ptune_{task}_{place}|>" for place in range(count)]


def task_prefix(task: str, count: int) -> str:
    """Return the text that a request for the task starts with."""
    return "".join(task_tokens(task, count))


def bake(tokenizer: Any, base: Any, tasks: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a model with the tasks' tokens in its table, and by how much they lose; adds them to the tokenizer."""
    import torch

    first, width = len(tokenizer), base.config.hidden_size  # a table may have rows that no token uses
    names = {task: task_tokens(task, rows.shape[0]) for task, rows in tasks.items()}
    tokenizer.add_special_tokens({"additional_special_tokens": [name for task in names.values() for name in task]})
    baked = widen(base, max(len(tokenizer), base.get_input_embeddings().weight.shape[0]))
    with torch.no_grad():
        for task, rows in tasks.items():
            baked.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids(names[task]), :width] = rows.float()
        baked.get_output_embeddings().weight[first:] = losing_row(baked, width)
    size = baked.config.vocab_size
    baked.generation_config.suppress_tokens = list(range(first, size))
    baked.generation_config.eos_token_id = [number for number in stop_ids(tokenizer) if number < first]
    return baked, {"losing_margin": proved_margin(baked, width, first), "width": [width, baked.config.hidden_size]}


def compare(tokenizer: Any, baked: Any, base: Any, task: str, rows: Any, prompts: Sequence[str]) -> dict[str, Any]:
    """Compare the baked model with the virtual tokens put in front by hand: logits and greedy continuations."""
    import torch

    prefix, real = task_prefix(task, rows.shape[0]), baked.generation_config.suppress_tokens[0]
    rows, worst, same, ends = rows.to(base.device), 0.0, 0, set(stop_ids(tokenizer))
    with torch.no_grad():
        for start in range(0, len(prompts), TOGETHER):
            by_hand, by_token = [], []
            for prompt in prompts[start : start + TOGETHER]:
                ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids.to(base.device)
                by_hand.append(torch.cat([rows, base.get_input_embeddings()(ids)[0]]))
                wanted = base(inputs_embeds=by_hand[-1][None]).logits[0, len(rows) :, :real]
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
        InvalidInput: a task's folder holds no virtual tokens of this model, there is nothing to check with, the folder
            would not do what was trained, or it is not proved that an added token never wins.
    """
    import torch
    from safetensors.torch import load_file

    for task, run in runs.items():
        check_name(task)
        if not (run / TOKENS_FILE).is_file():
            raise InvalidInput(
                f"{task}={run}: no {TOKENS_FILE} there; give a p-tuned run or task (adapters need no export)"
            )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer, base = load_causal(model_path)
    base = base.to(device).eval()
    tasks = {task: load_file(run / TOKENS_FILE, device)["virtual_tokens"] for task, run in runs.items()}
    for task, rows in tasks.items():
        if rows.shape[1] != base.config.hidden_size:
            width = base.config.hidden_size
            raise InvalidInput(
                f"{task}: tokens of width {rows.shape[1]} are not of {model_path}, whose width is {width}"
            )
    prompts = {task: read_prompts(check, tokenizer, limit, _prompt(run)) for task, run in runs.items()}
    if not all(prompts.values()):
        raise InvalidInput(f"{check} holds no rows to check the folder with")
    baked, report = bake(tokenizer, base, tasks)
    for task, rows in tasks.items():
        report[task] = compare(tokenizer, baked, base, task, rows, prompts[task])
    _refuse(report, tasks)
    report["tasks"] = {task: {"tokens": rows.shape[0], "prompt": _prompt(runs[task])} for task, rows in tasks.items()}
    tokenizer.chat_template = add_tasks(tokenizer.chat_template, {task: rows.shape[0] for task, rows in tasks.items()})
    baked.to(getattr(torch, dtype)).save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "attest_tasks.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return report


def _refuse(report: Mapping[str, Any], tasks: Collection[str]) -> None:
    """Raise where the folder must not be written; a figure that is no number is a failure too."""
    for task in tasks:
        differ, same = report[task]["max_logit_difference"], report[task]["greedy_identical"]
        if not differ <= MAX_DIFFERENCE:
            raise InvalidInput(f"{task}: not exported, logits differ by {differ:.4g}")
        if not same >= SAME_TEXT:
            raise InvalidInput(f"{task}: not exported, only {same:.1%} of the greedy texts are the same")
    if not LOSING_MARGIN <= report["losing_margin"] < math.inf:
        raise InvalidInput(
            f"not exported: added tokens lose by {report['losing_margin']:.4g} nats only, as far as proved"
        )


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
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    options = parser.parse_args()
    runs = {name: Path(folder) for name, _, folder in (task.partition("=") for task in options.task)}
    report = export(options.model, runs, check=options.check, out=options.out, limit=options.limit, dtype=options.dtype)
    print(json.dumps(report))  # noqa: T201 - the script's answer


if __name__ == "__main__":
    main()
