"""A vLLM server behind our client, against the same server asked bare.

    python -m bench.gpu.serving --model FOLDER --concurrency 1 16 64 --out FILE
    python -m bench.gpu.serving --model FOLDER --home HOME --questions FILE --task answer --only asking \
        --concurrency 1 16 64 --processes 1 4 --out FILE

Starts `vllm serve FOLDER` on loopback (`--url` asks one that runs already), sends prompts built by the product's own
prompt function, and reports time to first piece and replies a second, bare (an HTTP stream) and through
`VllmGenerator`, in interleaved rounds of a fixed time; then cold against warm prefix, and that a closed stream frees
its slot. With a home of ingested documents and questions about them (`bench.gpu.questions`), whole answers are
measured first (`bench.gpu.asking`), from as many `--processes` as named, drafted under a shipped adapter where
`--task` names one; `--only` picks steps. `--shape 8b` serves random weights in the shape of an
8-billion-parameter Llama under the model's tokenizer: what the words are does not matter to the clock.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from bench.gpu.asking import Plan, measure_asking
from bench.gpu.loop import Window, bare_stream, closed_loop, percentiles, timed
from bench.gpu.server import SHAPES, served, serving
from core.clock import now
from core.settings import GenerationSettings
from core.types import Chunk, Evidence, ScoredChunk, Scores
from generation.chat import chat_messages
from generation.vllm import VllmGenerator

MAX_TOKENS = 64
LONG_PROMPT_PASSAGES = 24
"""About 5,000 tokens: long enough that computing them shows beside what every request costs."""
RAMP_S = 1.0
ROUNDS = 3
STEPS = ("asking", "loads", "prefix", "cancelled_in_s")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question and its passages."""

    question: str
    evidence: tuple[Evidence, ...]


Clients = dict[str, Callable[[Prompt], Iterator[str]]]


def main() -> None:
    """Run every measurement; each figure is kept as it comes, since what fails later must not cost it."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, _server(arguments, Path(folder)) as url:
        settings = GenerationSettings(vllm_urls=(f"{url}/v1",), max_tokens=MAX_TOKENS, retries=0)
        generator = VllmGenerator(settings)
        clients: Clients = {
            "bare": lambda prompt: bare_stream(url, _body(generator.model, prompt)),
            "attest": lambda prompt: generator.draft(prompt.question, prompt.evidence),
        }
        report: dict[str, Any] = {"model": str(arguments.model), "shape": arguments.shape, "max_tokens": MAX_TOKENS}
        steps: dict[str, Callable[[], Any]] = {
            "asking": lambda: _rows("asking", _asking(arguments, url), report, arguments.out),
            "loads": lambda: _rows("loads", _loads(clients, arguments), report, arguments.out),
            "prefix": lambda: _prefix(clients["attest"]),
            "cancelled_in_s": lambda: _cancellation(clients["attest"], url),
        }
        for name in arguments.only if arguments.home else [name for name in arguments.only if name != "asking"]:
            report[name] = steps[name]()
            print(json.dumps({name: report[name]}), flush=True)
            _keep(report, arguments.out)


def _server(arguments: argparse.Namespace, folder: Path) -> AbstractContextManager[str]:
    if arguments.url:
        return nullcontext(arguments.url)
    return serving(*served(arguments.model, arguments.shape, arguments.task, folder))


def _rows(name: str, rows: Iterator[dict[str, Any]], report: dict[str, Any], out: Path | None) -> list[dict[str, Any]]:
    """Write and print each row as it comes."""
    kept: list[dict[str, Any]] = []
    for row in rows:
        kept.append(row)
        print(json.dumps(row), flush=True)
        _keep(report | {name: kept}, out)
    return kept


def _keep(report: dict[str, Any], out: Path | None) -> None:
    if out:
        out.write_text(json.dumps(report, indent=1))


def _asking(arguments: argparse.Namespace, url: str) -> Iterator[dict[str, Any]]:
    """Measure whole answers from each number of processes."""
    if arguments.questions is None:
        raise SystemExit("whole answers need --questions: make them with `python -m bench.gpu.questions`")
    plan = Plan(url, arguments.home, arguments.questions, arguments.task, arguments.seconds)
    return measure_asking(plan, arguments.processes, arguments.concurrency)


def _loads(clients: Clients, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Compare the clients at each concurrency, in turn, so that what the machine does besides falls on both."""
    for client in clients.values():
        _window(client, 4, 2.0, seed=0)
    for places in arguments.concurrency:
        found: dict[str, list[Window]] = {name: [] for name in clients}
        for turn in range(1, ROUNDS + 1):
            for place, (name, client) in enumerate(clients.items()):
                seed = places * 1000 + turn * 10 + place
                found[name].append(_window(client, places, arguments.seconds / ROUNDS, seed=seed))
        yield from (_load(name, places, windows, arguments.seconds) for name, windows in found.items())


def _window(client: Callable[[Prompt], Iterator[str]], places: int, seconds: float, *, seed: int) -> Window:
    """Run one round; each request has passages that no other has."""
    return closed_loop(
        lambda number: timed(client(_prompt(random.Random(f"{seed}.{number}"), f"{seed}-{number}"))),
        places,
        RAMP_S,
        seconds,
    )


def _load(name: str, places: int, windows: list[Window], seconds: float) -> dict[str, Any]:
    replies = [reply for window in windows for reply in window.replies]
    first = percentiles([reply.first_piece_s for reply in replies])
    assert first, f"no reply within {seconds} s"
    return {
        "client": name,
        "concurrency": places,
        "replies": len(replies),
        "ttft_p50_ms": first["p50"],
        "ttft_p95_ms": first["p95"],
        "pieces_per_s": round(sum(reply.pieces for reply in replies) / seconds),
        "requests_per_s": round(len(replies) / seconds, 1),
        "requests_per_s_by_round": [round(len(window.replies) / seconds * len(windows), 1) for window in windows],
        "cpu_ms_per_reply": round(sum(window.cpu_s for window in windows) / len(replies) * 1e3, 2),
    }


def _body(model: str, prompt: Prompt) -> dict[str, Any]:
    messages = chat_messages(prompt.question, prompt.evidence)
    return {"model": model, "messages": messages, "max_tokens": MAX_TOKENS, "temperature": 0}


def _prefix(client: Callable[[Prompt], Iterator[str]]) -> dict[str, float]:
    """Time the first piece with evidence never seen, then with the same evidence and another question."""
    cold, warm = [], []
    for seed in range(20):
        prompt = _prompt(random.Random(9000 + seed), f"9000-{seed}", passages=LONG_PROMPT_PASSAGES)
        cold.append(timed(client(prompt)).first_piece_s)
        again = Prompt("What else do these passages say?", prompt.evidence)
        warm.append(timed(client(again)).first_piece_s)
    return {
        "cold_ms": round(median(cold) * 1e3, 1),
        "warm_ms": round(median(warm) * 1e3, 1),
        "ratio": round(median(warm) / median(cold), 3),
    }


def _cancellation(client: Callable[[Prompt], Iterator[str]], url: str) -> float | None:
    """Close a stream after its first piece and return the seconds until the server runs nothing."""
    stream = client(_prompt(random.Random(77), "77"))
    next(stream)
    threading.Thread(target=stream.close).start()  # type: ignore[attr-defined]
    start = time.perf_counter()
    while time.perf_counter() - start < 10:
        metrics = httpx.get(f"{url}/metrics", timeout=5).text
        running = [line for line in metrics.splitlines() if line.startswith("vllm:num_requests_running")]
        if running and all(float(line.split()[-1]) == 0 for line in running):
            return round(time.perf_counter() - start, 3)
    return None


def _prompt(chance: random.Random, case: str, *, passages: int = 5) -> Prompt:
    """Make a prompt over random stretches of the sample handbook."""
    found = []
    for marker in range(1, passages + 1):
        name, whole = chance.choice(_handbook())
        start = chance.randrange(max(1, len(whole) - 800))
        piece = whole[start : start + 800]
        chunk = Chunk(marker, name, 1, 0, start, start + len(piece), None, name, piece)
        found.append(Evidence(marker, ScoredChunk(chunk, name, name, "default", 1.0, Scores(), now())))
    return Prompt(f"What does the handbook say about case {case}?", tuple(found))


@cache
def _handbook() -> list[tuple[str, str]]:
    return [(file.name, file.read_text(encoding="utf-8")) for file in sorted(Path("samples").rglob("*.md"))]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--url", help="a server that runs already, instead of one started with --model")
    parser.add_argument("--shape", choices=sorted(SHAPES), help="random weights of this shape instead of the model's")
    parser.add_argument("--home", type=Path, help="a home with ingested documents, for whole answers")
    parser.add_argument("--questions", type=Path, help="what is asked of them: lines of JSON with a `question`")
    parser.add_argument("--task", default="auto", help="the shipped task under which whole answers are drafted")
    parser.add_argument("--processes", type=int, nargs="+", default=[1], help="whole answers from so many processes")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each figure is measured")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if not options.model and not options.url:
        parser.error("give --model or --url")
    return options


if __name__ == "__main__":
    main()
