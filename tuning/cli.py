"""`attest tune …`: train an adapter from rows of your own, list its versions, go back to an earlier one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from core.settings import load_settings
from tuning.compare_cli import cli as compare_cli
from tuning.model_cli import cli as model_cli

cli = typer.Typer(help="Train and manage adapters.", no_args_is_help=True)
cli.add_typer(model_cli)
cli.add_typer(compare_cli)


@cli.command("rail")
def tune_rail(
    name: Annotated[str, typer.Argument(help="The rail: toxicity, prompt_injection, harmful_requests, …")],
    data: Annotated[Path, typer.Option("--data", help="JSON Lines with text and label (or the rail's own field).")],
    epochs: Annotated[int, typer.Option(help="At most so many; training stops early when it gets no better.")] = 8,
    seed: Annotated[int, typer.Option()] = 7,
    replace: Annotated[
        bool, typer.Option(help="Train on your rows alone, not on top of the adapter in force.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Retrain a classifier rail from a few hundred labelled rows; in force at once where it is no worse than before."""
    from tuning.rail_training import RailTraining, train_rail

    report = train_rail(load_settings(), RailTraining(name, data, epochs, seed, from_scratch=replace))
    if as_json:
        print(json.dumps(report))
    else:
        _show_training(report)


@cli.command("versions")
def versions(
    name: Annotated[str, typer.Argument(help="The rail.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the versions of a rail trained in this home, and which one is in force."""
    from tuning.adapter_versions import list_versions

    _show(list_versions(load_settings().home, name), as_json)


@cli.command("rollback")
def rollback(
    name: Annotated[str, typer.Argument(help="The rail.")],
    to: Annotated[
        str, typer.Option("--to", help="A version such as v2, or `packaged`; the one before if not given.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put an earlier version of a rail in force."""
    from tuning.adapter_versions import roll_back

    _show(roll_back(load_settings().home, name, to), as_json)


def _show_training(report: dict[str, Any]) -> None:
    """Print what was trained and how it does on the rows it did not see, beside the adapter it was trained on."""
    state = "is in force" if report["in_force"] else "is kept but not in force: it does worse than before"
    print(f"{report['rail']} {report['version']} {state} (was {report['was']}, {report['epochs']} epochs)")
    print(f"{'held-out rows':14} {'rows':>5} {'precision':>9} {'recall':>7} {'F1':>7}")
    for title, key in (("before", "held_out_before"), ("now", "held_out")):
        if key in report:
            found = report[key]
            figures = f"{found['precision']:>9.3f} {found['recall']:>7.3f} {found['f1']:>7.3f}"
            print(f"{title:14} {found['rows']:>5} {figures}")
    other = f"--to {report['version']}" if not report["in_force"] else ""
    print(f"attest tune rollback {report['rail']} {other}".rstrip() + " changes that")


def _show(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(report))
        return
    for key, value in report.items():
        print(f"{key}: {value}")
