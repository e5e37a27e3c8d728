"""Everything there is to measure on a GPU, in one go: prints a table (figure, floor, ratio) and writes JSON.

    python -m bench.gpu --base FOLDER --model FOLDER --out DIR [--home HOME] [--tune DATA] [--only STEP …]

`--base` holds the packaged encoder, `--model` an instruct model, `--home` ingested documents (for whole answers),
`--tune` rows of `attest tune data` (to train on the GPU, export, and serve the tuned checkpoint instead of the model).
Each step is a process of its own: one that fails costs its own figures, and frees the GPU's memory for the next.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

STEPS = ("retrieval", "rails", "tuning", "serving")


def main() -> None:
    """Run the steps, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--home", type=Path)
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
        "tuning": [],
        "serving": [["bench.gpu.serving", "--model", served, "--out", out / "serving.json"]],
    }
    if options.tune:
        commands["tuning"] = [
            ["app.cli", "tune", "ptune", "--data", options.tune, "--model", options.model, "--out", run],
            ["app.cli", "tune", "export", "--model", options.model, "--out", tuned],
        ]
        commands["tuning"][1] += ["--task", f"answer={run}", "--check", options.tune / "test.jsonl"]
    if options.home:
        commands["serving"][0] += ["--home", options.home]
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
    for name, value in _read(out / "rails.json").items():
        lines.append(f"| rails: {name} | {json.dumps(value)} | | | |")
    serving = _read(out / "serving.json")
    for load in serving.get("loads", []):
        name = f"{load['client']}, {load['concurrency']} at once"
        first = f"first piece p50 {load['ttft_p50_ms']}, p95 {load['ttft_p95_ms']} ms"
        lines.append(f"| {name} | {load['pieces_per_s']} pieces/s | | | {first} |")
    for name in ("prefix", "cancelled_in_s"):
        if name in serving:
            lines.append(f"| {name} | {json.dumps(serving[name])} | | | |")
    for row in serving.get("asking") or []:
        ratio = row["throughput_kept"]
        lines.append(
            f"| whole answers, {row['concurrency']} at once | {row['pieces_per_s']} pieces/s "
            f"| {row['bare_pieces_per_s']} | {ratio} | added to the first piece p95 {row['added_p95_ms']} ms |"
        )
    return lines


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


if __name__ == "__main__":
    main()
