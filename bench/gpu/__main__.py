"""Everything there is to measure on a GPU, in one go: prints a table (figure, floor, ratio) and writes JSON.

    python -m bench.gpu --base FOLDER --model FOLDER --out DIR [--home HOME --questions FILE]
        [--tune DATA] [--only STEP …]

`--base` holds the packaged encoder, `--model` an instruct model, `--home` ingested documents and `--questions` what is
asked of them (for whole answers), `--tune` rows of `attest tune data` (to train on the GPU, export, and serve the
tuned checkpoint instead of the model).
Each step is a process of its own: one that fails costs its own figures, and frees the GPU's memory for the next.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

STEPS = ("retrieval", "rails", "readers", "tuning", "serving")


def main() -> None:
    """Run the steps, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--tune", type=Path)
    parser.add_argument("--only", choices=STEPS, nargs="+", default=list(STEPS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    failed = [step for step in STEPS if step in options.only and not _ran(step, options)]
    for line in table(options.out):
        print(line)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def _ran(step: str, options: argparse.Namespace) -> bool:
    """Run one step; say whether every command of it ended well."""
    out = options.out
    tuned, run = out / "tuned", out / "run"
    served = tuned if (tuned / "config.json").exists() else options.model
    commands: dict[str, list[list[Any]]] = {
        "retrieval": [["bench.gpu.retrieval", "--base", options.base, "--out", out / "retrieval.json"]],
        "rails": [["bench.gpu.rails", "--out", out / "rails.json"]],
        "readers": [],
        "tuning": [],
        "serving": [
            ["bench.gpu.serving", "--model", served, "--out", out / "serving.json"],
            ["bench.gpu.serving", "--model", served, "--shape", "8b", "--out", out / "serving-8b.json"],
        ],
    }
    if options.tune:
        commands["tuning"] = [
            ["app.cli", "tune", "ptune", "--data", options.tune, "--model", options.model, "--out", run],
            ["app.cli", "tune", "export", "--model", options.model, "--out", tuned],
        ]
        commands["tuning"][1] += ["--task", f"answer={run}", "--check", options.tune / "test.jsonl"]
        exported = ["bench.gpu.exported", "--model", tuned, "--data", options.tune / "test.jsonl"]
        commands["tuning"].append([*exported, "--out", out / "exported.json"])
    if options.home:
        asked = ["--home", options.home, "--questions", options.questions]
        commands["readers"] = [["bench.gpu.readers", *asked, "--out", out / "readers.json"]]
        for command in commands["serving"]:
            command += asked
    for command in commands[step]:
        print(f"== {step}: {' '.join(map(str, command))}", flush=True)
        if subprocess.run([sys.executable, "-m", *map(str, command)], check=False).returncode:
            return False
    return True


def table(out: Path) -> list[str]:
    """Return the table of what the steps left in a folder, as Markdown lines."""
    lines = ["| figure | value | floor | ratio | further |", "|---|---|---|---|---|"]
    for row in _read(out / "retrieval.json").get("results", []):
        known = {"name", "value", "unit", "floor", "ratio"}
        more = ", ".join(f"{key} {value}" for key, value in row.items() if key not in known)
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}"
        floor = "" if row["floor"] is None else f"{row['floor']:.4g}"
        lines.append(f"| {row['name']} | {row['value']:.4g} {row['unit']} | {floor} | {ratio} | {more} |")
    for step in ("rails", "readers", "exported"):
        for name, value in _read(out / f"{step}.json").items():
            lines.append(f"| {step}: {name} | {json.dumps(value)} | | | |")
    for name in ("serving", "serving-8b"):
        lines += _served_lines(name, _read(out / f"{name}.json"))
    return lines


def _served_lines(name: str, serving: dict[str, Any]) -> list[str]:
    lines = []
    for load in serving.get("loads", []):
        first = f"first piece p50 {load['ttft_p50_ms']}, p95 {load['ttft_p95_ms']} ms"
        what = f"{name}: {load['client']}, {load['concurrency']} at once"
        lines.append(f"| {what} | {load['pieces_per_s']} pieces/s | | | {first} |")
    for key in ("prefix", "cancelled_in_s"):
        if key in serving:
            lines.append(f"| {name}: {key} | {json.dumps(serving[key])} | | | |")
    for row in serving.get("asking") or []:
        what = f"{name}: whole answers, {row['concurrency']} at once, {row.get('processes', 1)} processes"
        bare, kept = row["bare_replies_per_s"], row["kept_by_drafts"]
        more = f"first piece p95 {row['first_piece_ms']['p95']} ms, {row['questions_per_s']} questions/s"
        lines.append(f"| {what} | {row['drafts_per_s']} drafts/s | {bare} | {kept} | {more} |")
    return lines


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


if __name__ == "__main__":
    main()
