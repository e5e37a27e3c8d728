"""Whole answers asked of several processes at once, as of several API servers before one store and one model server.

python -m bench.gpu.askers --url http://127.0.0.1:8000 --home HOME --processes 4 --places 64 --requests 256
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from app.runtime import answer_many
from bench.gpu.asking import asked, opened, percentiles, questions_about

WARMING = 16
"""Questions each process answers before the clock starts."""


def measure_askers(url: str, home: Path, processes: int, places: int, requests: int, task: str) -> dict[str, Any]:
    """Return the figures of so many processes that share the places and the questions; `home` is written to."""
    command = [sys.executable, "-m", "bench.gpu.askers", "--url", url, "--home", str(home), "--task", task]
    command += ["--places", str(places // processes), "--requests", str(requests // processes)]
    children = [
        subprocess.Popen(
            [*command, "--seed", str(1000 + number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(processes)
    ]
    for child in children:
        _line(child)
    started = time.perf_counter()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    told = [json.loads(_line(child)) for child in children]
    seconds = time.perf_counter() - started
    for child in children:
        child.wait()
    outcomes: Counter[str] = Counter()
    for one in told:
        outcomes.update(one["outcomes"])
    return {
        "processes": processes,
        "concurrency": places,
        "questions": requests,
        "outcomes": dict(outcomes),
        "first_piece_ms": percentiles([value for one in told for value in one["first_s"]]),
        "first_claim_ms": percentiles([value for one in told for value in one["claims_s"]]),
        "questions_per_s": round(requests / seconds, 1),
        "pieces_per_s": round(sum(one["pieces"] for one in told) / seconds),
    }


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise SystemExit(f"a process that asks ended with {child.wait()}")
    return line


def _ask(options: argparse.Namespace) -> None:
    """Be one of the processes: warm up, say so, and ask once told to."""
    answer_many()
    with opened(options.url, options.home, options.task) as (runtime, spied, topics):
        asked(runtime, spied, questions_about(topics, WARMING, seed=options.seed + 500), 4)
        print("ready", flush=True)
        sys.stdin.readline()
        _, outcomes, _, claims = asked(
            runtime, spied, questions_about(topics, options.requests, seed=options.seed), options.places
        )
        sent = [one for one in spied.sent if one.pieces]
        report = {
            "outcomes": outcomes,
            "claims_s": claims,
            "first_s": [one.first_s for one in sent],
            "pieces": sum(one.pieces for one in sent),
        }
        print(json.dumps(report), flush=True)


def main() -> None:
    """Measure, or be one of the processes where a seed is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--task", default="auto")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--places", type=int, default=64)
    parser.add_argument("--requests", type=int, default=256)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.seed is not None:
        _ask(options)
        return
    row = measure_askers(options.url, options.home, options.processes, options.places, options.requests, options.task)
    print(json.dumps(row))


if __name__ == "__main__":
    main()
