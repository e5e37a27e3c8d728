"""`attest rails list` and `attest rails test`: the policy in force, and what it does to a file of examples."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import InvalidInput
from core.settings import Settings, load_settings
from core.types import Chunk, ScoredChunk, Scores
from guardrails.policy import ACTIONS

cli = typer.Typer(help="The guardrails: what is in force, and what they do to examples.", no_args_is_help=True)
_STAGES = ("ingest", "input", "retrieval", "output")
EXAMPLES = Path(__file__).with_name("examples.jsonl")
"""A few examples for every stage, for the default policy."""


@cli.command("list")
def list_rails(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Print every rail with its stages, action, threshold and what happens when it cannot run."""
    rows = policy_rows(load_settings())
    if as_json:
        print(json.dumps({"rails": rows}))
        return
    print(f"{'rail':20} {'stage':10} {'action':7} {'threshold':>9}  fails   enabled")
    for row in rows:
        state = "yes" if row["enabled"] else "no"
        print(f"{row['rail']:20} {row['stage']:10} {row['action']:7} {row['threshold']:9.3f}  {row['fail']:7} {state}")


@cli.command("test")
def try_examples(
    examples: Annotated[
        Path, typer.Argument(help="JSON Lines: text, and maybe stage, expect, rail, collection; ours if left out.")
    ] = EXAMPLES,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run the policy against examples; exit 1 when one does not get the action it expects."""
    report = run_examples(examples, load_settings())
    if as_json:
        print(json.dumps(report))
    else:
        for failure in report["failed"]:
            print(f"line {failure['line']}: expected {failure['expect']}, got {failure['got']} ({failure['why']})")
        print(f"{report['passed']} of {report['examples']} examples as expected")
    if report["failed"]:
        raise typer.Exit(1)


def policy_rows(settings: Settings) -> list[dict[str, Any]]:
    """Return one row a rail and stage, JSON-ready."""
    from guardrails.policy import effective
    from guardrails.rails import Rails
    from models.adapters import load_classifier

    rows = []
    for rail in Rails.open(settings, load_classifier(settings.embedder, settings.home)).rails:
        for stage in sorted(rail.stages):
            policy = effective(settings.rails, rail.name, stage, None)
            threshold = rail.threshold if policy.threshold is None else policy.threshold
            row = {"rail": rail.name, "stage": stage, "action": policy.action, "threshold": threshold}
            rows.append(row | {"fail": policy.fail, "enabled": policy.enabled})
    return rows


def run_examples(path: Path, settings: Settings) -> dict[str, Any]:
    """Run each example through its stage (`input` if it names none) and compare the strictest action.

    Raises:
        InvalidInput: the file cannot be read, or a line is no example.
    """
    from guardrails.rails import Rails
    from models.adapters import load_classifier

    rails = Rails.open(settings, load_classifier(settings.embedder, settings.home))
    failed = []
    examples = _examples(path)
    for number, example in examples:
        verdicts = _checked(rails, example)
        strictest = max(verdicts, key=lambda verdict: ACTIONS.index(verdict.action))
        expect, rail = str(example.get("expect", "allow")), str(example.get("rail", ""))
        acted = {verdict.rail for verdict in verdicts if verdict.action == expect}
        if strictest.action != expect or (rail and rail not in acted):
            why = f"{strictest.rail} {strictest.score:.3f}" if strictest.action != "allow" else "no rail fired"
            wanted = f"{expect} by {rail}" if rail else expect
            failed.append({"line": number, "expect": wanted, "got": strictest.action, "why": why})
    return {"examples": len(examples), "passed": len(examples) - len(failed), "failed": failed}


def _checked(rails: Any, example: dict[str, Any]) -> Any:
    text, collection = str(example["text"]), example.get("collection")
    stage = example.get("stage", "input")
    if stage == "retrieval":
        chunk = Chunk(1, "example", 1, 0, 0, len(text), None, "", text)
        hit = ScoredChunk(chunk, "example", "example", collection or "default", 1.0, Scores(), datetime.now(UTC))
        return rails.check_retrieval([hit], collection)[1]
    if stage == "output":
        return rails.check_output(text, (), collection)[1]
    return rails.scan_document(text, collection) if stage == "ingest" else rails.check_input(text, collection)


def _examples(path: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        examples = [(number, json.loads(line)) for number, line in enumerate(lines, start=1) if line.strip()]
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InvalidInput(f"{path} is not JSON Lines: {error}") from error
    for number, example in examples:
        if "text" not in example or example.get("expect", "allow") not in ACTIONS:
            raise InvalidInput(f"{path}, line {number}: needs `text`, and `expect` must be one of {', '.join(ACTIONS)}")
        if example.get("stage", "input") not in _STAGES:
            raise InvalidInput(f"{path}, line {number}: `stage` must be one of {', '.join(_STAGES)}")
    if not examples:
        raise InvalidInput(f"{path} holds no examples")
    return examples
