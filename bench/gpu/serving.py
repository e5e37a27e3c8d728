"""A vLLM server behind our client, against the same server asked bare.

    python -m bench.gpu.serving --model FOLDER [--home HOME [--task answer]] [--concurrency 1 16 64 256] --out FILE

Starts `vllm serve FOLDER` on loopback, sends prompts built by the product's own prompt function, and
reports time to first piece and tokens a second, bare (an HTTP stream) and through `VllmGenerator`, in
interleaved rounds; then cold against warm prefix, and that a closed stream frees its slot. With a home of
ingested documents, whole answers are measured first (`bench/gpu/asking.py`), drafted under a shipped adapter where
`--task` names one; `--only` picks steps. `--shape 8b` serves random weights in the
shape of an 8-billion-parameter Llama under the model's tokenizer: what the words are does not matter to the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx

from bench.gpu.askers import measure_askers
from bench.gpu.asking import measure_asking
from core.clock import now
from core.settings import GenerationSettings
from core.types import Chunk, Evidence, ScoredChunk, Scores
from generation.chat import chat_messages
from generation.completions import KEPT_S
from generation.tasks import SHIPPED
from generation.vllm import VllmGenerator

MAX_TOKENS = 64
LONG_PROMPT_PASSAGES = 24
"""About 5,000 tokens: long enough that computing them shows beside what every request costs."""
SHAPES = {
    "8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "tie_word_embeddings": False,
    }
}
START_DEADLINE_S = 240.0
STEPS = ("asking", "loads", "prefix", "cancelled_in_s")
_http = httpx.Client(limits=httpx.Limits(max_connections=None, keepalive_expiry=KEPT_S), timeout=120)


@dataclass(frozen=True, slots=True)
class Load:
    """One round: how many at once, time to first piece, pieces and requests a second."""

    client: str
    concurrency: int
    ttft_p50_ms: float
    ttft_p95_ms: float
    pieces_per_s: float
    requests_per_s: float


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question and its passages."""

    question: str
    evidence: tuple[Evidence, ...]


def main() -> None:
    """Run every measurement and write them."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, serving(*_served(arguments, Path(folder))) as url:
        settings = GenerationSettings(vllm_urls=(f"{url}/v1",), max_tokens=MAX_TOKENS, retries=0)
        generator = VllmGenerator(settings)
        clients: dict[str, Callable[[Prompt], Iterator[str]]] = {
            "bare": lambda prompt: _bare(url, generator.model, prompt),
            "attest": lambda prompt: generator.draft(prompt.question, prompt.evidence),
        }
        for client in clients.values():
            _round(client, _prompts(8, seed=0), 4)
        report: dict[str, Any] = {"model": str(arguments.model), "shape": arguments.shape, "max_tokens": MAX_TOKENS}
        steps: dict[str, Callable[[], Any]] = {
            "asking": lambda: _asking(arguments, url, report),
            "loads": lambda: [
                asdict(load)
                for concurrency in arguments.concurrency
                for load in _compare(clients, concurrency, _requests(arguments.requests, concurrency))
            ],
            "prefix": lambda: _prefix(clients["attest"]),
            "cancelled_in_s": lambda: _cancellation(clients["attest"], url),
        }
        for name in arguments.only if arguments.home else [name for name in arguments.only if name != "asking"]:
            report[name] = steps[name]()
            print(json.dumps({name: report[name]}), flush=True)
            _keep(report, arguments.out)


def _asking(arguments: argparse.Namespace, url: str, report: dict[str, Any]) -> list[dict[str, Any]]:
    """Measure whole answers; each row is kept as it comes, since what fails later must not cost what was measured."""
    rows: list[dict[str, Any]] = []
    for row in measure_asking(url, arguments.home, arguments.concurrency, arguments.requests, arguments.task):
        rows.append(row)
        print(json.dumps(row), flush=True)
        _keep(report | {"asking": rows}, arguments.out)
    if arguments.processes > 1:
        with tempfile.TemporaryDirectory() as folder:
            home = shutil.copytree(arguments.home, Path(folder) / "home")
            for places in [places for places in arguments.concurrency if places >= arguments.processes]:
                requests = max(places, min(arguments.requests, 4 * places))
                rows.append(measure_askers(url, home, arguments.processes, places, requests, arguments.task))
                print(json.dumps(rows[-1]), flush=True)
                _keep(report | {"asking": rows}, arguments.out)
    return rows


def _keep(report: dict[str, Any], out: Path | None) -> None:
    if out:
        out.write_text(json.dumps(report, indent=1))


class serving:
    """A vLLM server on a free loopback port for the length of a block."""

    def __init__(self, model: Path, flags: Sequence[str] = ()) -> None:
        self._model = model
        self._flags = flags

    def __enter__(self) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(self._model)]
        command += ["--host", "127.0.0.1", "--port", str(port), "--max-model-len", "8192", "--dtype", "bfloat16"]
        command += ["--gpu-memory-utilization", "0.5", "--max-num-seqs", "256", *self._flags]
        self._log = Path(os.environ.get("OUT", ".")) / "vllm.log"
        self._process = subprocess.Popen(command, stdout=self._log.open("w"), stderr=subprocess.STDOUT)
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                    return url
            except httpx.HTTPError:
                time.sleep(1)
        self._process.kill()
        raise SystemExit(f"the server did not start; the end of its log:\n{self._log.read_text()[-4000:]}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


def _served(arguments: argparse.Namespace, folder: Path) -> tuple[Path, Sequence[str]]:
    """Return what the server is started with: the model, or random weights of a shape under its tokenizer."""
    adapter = SHIPPED / arguments.task
    lora = ("--enable-lora", "--lora-modules", f"{arguments.task}={adapter}")
    flags = lora if (adapter / "adapter_config.json").is_file() else ()
    if not arguments.shape:
        return arguments.model, flags
    for file in arguments.model.glob("*token*"):
        shutil.copy(file, folder)
    for name in ("generation_config.json", "chat_template.jinja"):
        if (arguments.model / name).exists():
            shutil.copy(arguments.model / name, folder)
    config = json.loads((arguments.model / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | SHAPES[arguments.shape]))
    return folder, ("--load-format", "dummy")


def _compare(clients: dict[str, Callable[[Prompt], Iterator[str]]], concurrency: int, requests: int) -> list[Load]:
    """Measure every client at one concurrency, twice, in turn; the second round counts."""
    loads: dict[str, Load] = {}
    for seed in (1, 2):
        for name, client in clients.items():
            prompts = _prompts(requests, seed=seed * 1000 + concurrency)
            loads[name] = _load(name, concurrency, *_round(client, prompts, concurrency))
    return list(loads.values())


def _requests(most: int, concurrency: int) -> int:
    """Return how many requests a round takes: sixteen for each place, so that one at a time does not take minutes."""
    return max(concurrency, min(most, 16 * concurrency))


def _round(
    client: Callable[[Prompt], Iterator[str]], prompts: list[Prompt], concurrency: int
) -> tuple[list[float], int, float]:
    """Return times to first piece in seconds, pieces in all, and seconds in all."""

    def one(prompt: Prompt) -> tuple[float, int]:
        start = time.perf_counter()
        first, pieces = 0.0, 0
        for _ in client(prompt):
            first = first or time.perf_counter() - start
            pieces += 1
        return first, pieces

    start = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        results = list(pool.map(one, prompts))
    return [first for first, _ in results], sum(pieces for _, pieces in results), time.perf_counter() - start


def _load(name: str, concurrency: int, firsts: list[float], pieces: int, seconds: float) -> Load:
    return Load(
        name,
        concurrency,
        round(median(firsts) * 1e3, 1),
        round(quantiles(firsts, n=20)[-1] * 1e3, 1),
        round(pieces / seconds),
        round(len(firsts) / seconds, 1),
    )


def _bare(url: str, model: str, prompt: Prompt) -> Iterator[str]:
    """Yield the deltas of a stream as a plain pooled HTTP client reads them."""
    body = {
        "model": model,
        "messages": chat_messages(prompt.question, prompt.evidence),
        "max_tokens": MAX_TOKENS,
        "temperature": 0,
        "stream": True,
    }
    with _http.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    if text := choice["delta"].get("content"):
                        yield text


def _prefix(client: Callable[[Prompt], Iterator[str]]) -> dict[str, float]:
    """Time the first piece with evidence never seen, then with the same evidence and another question."""
    cold, warm = [], []
    for seed in range(20):
        prompt = _prompts(1, seed=9000 + seed, passages=LONG_PROMPT_PASSAGES)[0]
        cold.extend(_round(client, [prompt], 1)[0])
        again = Prompt("What else do these passages say?", prompt.evidence)
        warm.extend(_round(client, [again], 1)[0])
    return {
        "cold_ms": round(median(cold) * 1e3, 1),
        "warm_ms": round(median(warm) * 1e3, 1),
        "ratio": round(median(warm) / median(cold), 3),
    }


def _cancellation(client: Callable[[Prompt], Iterator[str]], url: str) -> float | None:
    """Close a stream after its first piece and return the seconds until the server runs nothing."""
    stream = client(_prompts(1, seed=77)[0])
    next(stream)
    threading.Thread(target=stream.close).start()  # type: ignore[attr-defined]
    start = time.perf_counter()
    while time.perf_counter() - start < 10:
        metrics = httpx.get(f"{url}/metrics", timeout=5).text
        running = [line for line in metrics.splitlines() if line.startswith("vllm:num_requests_running")]
        if running and all(float(line.split()[-1]) == 0 for line in running):
            return round(time.perf_counter() - start, 3)
    return None


def _prompts(count: int, *, seed: int, passages: int = 5) -> list[Prompt]:
    """Make prompts over random stretches of the sample handbook."""
    source = random.Random(seed)
    files = sorted(Path("samples").rglob("*.md"))
    return [
        Prompt(f"What does the handbook say about case {seed}-{number}?", _evidence(source, files, passages))
        for number in range(count)
    ]


def _evidence(source: random.Random, files: list[Path], passages: int) -> tuple[Evidence, ...]:
    found = []
    for marker in range(1, passages + 1):
        file = source.choice(files)
        text = file.read_text()
        start = source.randrange(max(1, len(text) - 800))
        piece = text[start : start + 800]
        chunk = Chunk(marker, file.name, 1, 0, start, start + len(piece), None, file.stem, piece)
        hit = ScoredChunk(chunk, file.stem, str(file), "default", 1.0, Scores(), now())
        found.append(Evidence(marker, hit))
    return tuple(found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--shape", choices=sorted(SHAPES), help="random weights of this shape instead of the model's")
    parser.add_argument("--home", type=Path, help="a home with ingested documents, for whole answers")
    parser.add_argument("--task", default="auto", help="the shipped task under which whole answers are drafted")
    parser.add_argument("--processes", type=int, default=1, help="whole answers also of so many processes at once")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--requests", type=int, default=256)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
