"""Whole answers over a model server: what Attest adds before the first claim, and what it keeps of the server's pace.

Questions go through the pipeline as the API runs it (input rails, retrieval, retrieval rail, reader, draft,
verification, output rails, record), from one process or several before one store; then the requests that were sent are
sent again without the pipeline, from as many processes and places. Each pass has a cache salt of its own, so that the
server has seen nothing of it before.

    python -m bench.gpu.asking --url http://127.0.0.1:8000 --home HOME --questions FILE --concurrency 16 64

A question that is being searched for leaves its place in the model server empty, where a bare caller's is always
taken. `--callers 1.5` lets half as many more ask, with no more drafts in the server at a time than bare callers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.gpu.loop import percentiles

RAMP_S = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of which server, and for how long."""

    url: str
    home: Path
    questions: Path
    task: str = "auto"
    seconds: float = 8.0
    callers: float = 1.0
    """Of whole answers, to a place in the model server."""


def measure_asking(plan: Plan, processes: Sequence[int], concurrency: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield a row for each number of processes and of places; the home itself is not changed."""
    for count in processes:
        with tempfile.TemporaryDirectory() as folder:
            home = shutil.copytree(plan.home, Path(folder) / "home")
            with _askers(plan, home, count) as children:
                for places in concurrency:
                    if places >= count:
                        yield _row(children, places, plan)


def _row(children: Sequence[subprocess.Popen[str]], places: int, plan: Plan) -> dict[str, Any]:
    seconds = plan.seconds
    asked = _pass(children, "asks", places, plan)
    bare = _pass(children, "bare", places, plan)
    drafts = [reply for reply in asked["replies"] if reply["pieces"]]
    if not drafts or not bare["replies"]:
        raise SystemExit(f"no question reached the model within {seconds} s, so there is nothing to compare")
    outcomes = Counter(reply["outcome"] for reply in asked["replies"])
    claims = [reply["first_sentence_s"] for reply in asked["replies"] if reply["first_sentence_s"]]
    first, first_bare = (percentiles([reply["first_piece_s"] for reply in some]) for some in (drafts, bare["replies"]))
    claim, sentence = percentiles(claims), percentiles([reply["first_sentence_s"] for reply in bare["replies"]])
    assert first is not None
    assert first_bare is not None
    assert sentence is not None
    pieces, bare_pieces = (sum(reply["pieces"] for reply in some) for some in (drafts, bare["replies"]))
    stages = sorted({name for reply in asked["replies"] for name in reply["stages_ms"]})
    times = {name: percentiles([r["stages_ms"].get(name, 0.0) / 1e3 for r in asked["replies"]]) for name in stages}
    return {
        "processes": len(children),
        "concurrency": places,
        "callers": plan.callers,
        "seconds": seconds,
        "questions": len(asked["replies"]),
        "outcomes": dict(outcomes),
        "drafts": len(drafts),
        "first_claims": len(claims),
        "bare_replies": len(bare["replies"]),
        "questions_per_s": round(len(asked["replies"]) / seconds, 1),
        "drafts_per_s": round(len(drafts) / seconds, 1),
        "bare_replies_per_s": round(len(bare["replies"]) / seconds, 1),
        "kept_by_drafts": round(len(drafts) / len(bare["replies"]), 3),
        "pieces_per_s": round(pieces / seconds),
        "bare_pieces_per_s": round(bare_pieces / seconds),
        "kept_by_pieces": round(pieces / max(bare_pieces, 1), 3),
        "first_piece_ms": first,
        "first_piece_bare_ms": first_bare,
        "added_p95_ms": round(first["p95"] - first_bare["p95"], 1),
        "first_claim_ms": claim,
        "first_sentence_bare_ms": sentence,
        "claim_added_p95_ms": round(claim["p95"] - sentence["p95"], 1) if claim else None,
        "cpu_ms_per_question": round(asked["cpu_s"] / len(asked["replies"]) * 1e3, 1),
        "cpu_ms_per_bare_reply": round(bare["cpu_s"] / len(bare["replies"]) * 1e3, 1),
        "stages_ms": times,
    }


def _pass(children: Sequence[subprocess.Popen[str]], arm: str, places: int, plan: Plan) -> dict[str, Any]:
    """Let all processes run one pass side by side and return what they report, put together."""
    shares = [places // len(children) + (number < places % len(children)) for number in range(len(children))]
    for child, share in zip(children, shares, strict=True):
        assert child.stdin is not None
        asks = {"arm": arm, "callers": round(share * plan.callers), "places": share}
        child.stdin.write(json.dumps({**asks, "ramp_s": RAMP_S, "seconds": plan.seconds}) + "\n")
        child.stdin.flush()
    told = [json.loads(_line(child)) for child in children]
    return {
        "replies": list(itertools.chain.from_iterable(one["replies"] for one in told)),
        "cpu_s": sum(one["cpu_s"] for one in told),
    }


@contextmanager
def _askers(plan: Plan, home: Path, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Start so many processes before one home, wait until each is warm, and end them."""
    command = [sys.executable, "-m", "bench.gpu.asker", "--url", plan.url, "--home", str(home), "--task", plan.task]
    command += ["--questions", str(plan.questions), "--of", str(count)]
    children = [
        subprocess.Popen([*command, "--number", str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(count)
    ]
    try:
        for child in children:
            _line(child)
        yield children
    finally:
        for child in children:
            assert child.stdin is not None
            child.stdin.close()  # the end of its input ends a child
            try:
                child.wait(60)
            except subprocess.TimeoutExpired:
                child.kill()


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise SystemExit(f"a process that asks ended with {child.wait()}")
    return line


def main() -> None:
    """Measure before a server that runs already and print a row a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--task", default="auto")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--processes", type=int, nargs="+", default=[1])
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--callers", type=float, default=1.0)
    options = parser.parse_args()
    plan = Plan(options.url, options.home, options.questions, options.task, options.seconds, options.callers)
    for row in measure_asking(plan, options.processes, options.concurrency):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
