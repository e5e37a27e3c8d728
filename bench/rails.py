"""What the rails cost and what gets past them.

    python -m bench.rails latency                           # milliseconds of the input rails on 40 words, and others
    python -m bench.rails fuzz --count 20000 --browser 300  # Markdown through the exit gate; a sample in Chromium
    python -m bench.rails passages --data rows.jsonl        # attacks in documents that survive the retrieval rail
    python -m bench.rails attack --data rows.jsonl          # the same end to end, with a model that obeys all it reads
    python -m bench.rails planted --data FOLDER             # written orders and plain sentences in pages of Markdown
    python -m bench.rails ordinary --data questions.jsonl   # ordinary questions (or `text`) that a rail stops
    python -m bench.rails ordinary --data bench/everyday_harm.jsonl   # harm meant, in everyday words: to be stopped
    python -m bench.rails pairs                             # requests that mean harm, and what resembles them
    python -m bench.rails languages                         # questions and attacks in five languages

Each prints one JSON object. Figures and the machine they were taken on: docs/results/rails.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from core.settings import Settings
from core.types import Chunk, Evidence, ScoredChunk, Scores
from guardrails.exit_gate import ExitGate
from guardrails.rail import Context
from guardrails.rails import Rails
from models.adapters import load_classifier

QUESTION = (
    "What does the travel policy say about booking a hotel in another city when the conference rate is higher than "
    "the per diem, and who has to approve the exception before I travel and which form do I fill in first"
)
DOUBTFUL = (
    "What is the cheapest plan for a team of ten people who need every feature that the most expensive plan has, and "
    "how do I cancel it without paying for the rest of the year if we no longer need it later on this year"
)
"""About as long, and asked of both adapters of harmful_requests."""
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=tuple(_MEASURES))
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--browser", type=int, default=0)
    parser.add_argument("--seed", type=int, default=23)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--adapter", type=Path, help="an indirect_injection adapter for `attack`, `planted`")
    args = parser.parse_args()
    print(json.dumps(_MEASURES[args.what](args), indent=1))


def _attack(args: argparse.Namespace) -> dict[str, Any]:
    from bench.rails_attack import attack  # imports the whole product

    return attack(args)


def _texts(args: argparse.Namespace) -> dict[str, Any]:
    from bench import rails_texts

    measures = {"ordinary": rails_texts.ordinary, "pairs": rails_texts.pairs, "languages": rails_texts.languages}
    return measures[args.what](args)


def _planted(args: argparse.Namespace) -> dict[str, Any]:
    from bench.rails_planted import planted

    return planted(args)


def open_rails() -> Rails:
    """Open the rails with default settings over a throw-away home."""
    home = Path(tempfile.mkdtemp(prefix="rails-bench-"))
    settings = Settings(home=home)
    return Rails.open(settings, load_classifier(settings.embedder, home))


def latency(args: argparse.Namespace) -> dict[str, Any]:
    """Return percentiles in milliseconds, by wall clock and by processor time of this process."""
    rails = open_rails()
    rules = [rail for rail in rails.rails if hasattr(rail, "check") and "input" in rail.stages]
    words = len(QUESTION.split())

    def every_rule(i: int) -> None:
        for rail in rules:
            rail.check(Context("input", f"{QUESTION} {i}"))

    return {
        "words": words,
        "input_rails": _timed(lambda i: rails.check_input(f"{QUESTION} {i}"), 100),
        "input_rails_of_a_doubtful_question": _timed(lambda i: rails.check_input(f"{DOUBTFUL} {i}"), 100),
        "input_rules_alone": _timed(every_rule, 100),
        "output_rails": _timed(lambda i: rails.check_output(f"{QUESTION} {i}. [1]", ()), 50),
        "retrieval_rail_8_passages": _timed(
            lambda i: rails.check_retrieval([hit(f"{QUESTION} {i} {n} " * 4) for n in range(8)]), 5
        ),
        "retrieval_rail_8_passages_seen_before": _timed(lambda _: rails.check_retrieval([hit(QUESTION * 4)] * 8), 5),
        "load_1min": os.getloadavg()[0],
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
    }


def _timed(call: Callable[[int], object], times: int) -> dict[str, float]:
    call(0)
    wall, processor = [], []
    for i in range(times):
        started, spent = time.perf_counter(), time.process_time()
        call(i + 1)
        wall.append((time.perf_counter() - started) * 1000)
        processor.append((time.process_time() - spent) * 1000)
    return {
        "p50_ms": round(float(np.percentile(wall, 50)), 2),
        "p95_ms": round(float(np.percentile(wall, 95)), 2),
        "cpu_p50_ms": round(float(np.percentile(processor, 50)), 2),
        "cpu_p95_ms": round(float(np.percentile(processor, 95)), 2),
    }


def fuzz(args: argparse.Namespace) -> dict[str, Any]:
    """Count generated texts that still render to something active after the gate; show a sample to a browser."""
    from tests.guardrails.markdown_fuzz import attack
    from tests.guardrails.test_exit_gate import ALLOWED, CITED, active

    gate, chance = ExitGate(ALLOWED), random.Random(args.seed)
    shown = (Evidence(1, hit("x", CITED)),)
    before = after = unstable = 0
    sample: list[str] = []
    for number in range(args.count):
        text = attack(chance)
        clean = gate.clean(text, shown)
        before += bool(active(text))
        after += bool(active(clean))
        unstable += gate.clean(clean, shown) != clean
        if number % max(1, args.count // max(1, args.browser)) == 0 and len(sample) < args.browser:
            sample.append(text)
    result: dict[str, Any] = {"texts": args.count, "active_before": before, "active_after": after, "unstable": unstable}
    if sample:
        result["browser"] = _in_browser(sample, lambda text: gate.clean(text, shown))
    return result


def _in_browser(texts: list[str], clean: Callable[[str], str]) -> dict[str, Any]:
    """Render texts in Chromium whose every request for another host ends at a listener of ours, and count those."""
    from playwright.sync_api import sync_playwright

    with _Canary() as (port, asked), sync_playwright() as starter:
        rules = f"--host-resolver-rules=MAP * 127.0.0.1:{port}"
        browser = starter.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", rules])
        page = browser.new_page()

        def requests_of(prepare: Callable[[str], str]) -> int:
            asked.clear()
            for text in texts:
                page.set_content(_rendered(prepare(text)), wait_until="domcontentloaded")
                page.wait_for_timeout(20)
            page.wait_for_timeout(500)
            return len(asked)

        ungated, gated = requests_of(lambda text: text), requests_of(clean)
        browser.close()
    return {"texts": len(texts), "requests_without_gate": ungated, "requests_with_gate": gated}


def _rendered(text: str) -> str:
    from markdown_it import MarkdownIt

    body = MarkdownIt("gfm-like", {"html": True, "linkify": False}).disable("linkify").render(text)
    # Plain http, so that what is asked for reaches the listener.
    return f"<!doctype html><base href='http://page.invalid/'>{body.replace('https://', 'http://')}"


class _Canary:
    """An HTTP listener that notes every request."""

    def __enter__(self) -> tuple[int, list[str]]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self._server.server_port, asked

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()


def passages(args: argparse.Namespace) -> dict[str, Any]:
    """Count attacks a fully obedient model would still read after the retrieval rail, and clean passages it touches."""
    rails = open_rails()
    counts: Counter[str] = Counter()
    for row in rows_in(args.data):
        kept, _ = rails.check_retrieval([hit(row["context"])])
        left = kept[0].chunk.text if kept else ""
        if row["injected"]:
            counts["attacks"] += 1
            counts["read"] += row["attack"] in left
        else:
            counts["clean"] += 1
            counts["touched"] += left != row["context"]
    return {
        **counts,
        "attack_success_rate": round(counts["read"] / max(1, counts["attacks"]), 4),
        "clean_touched_rate": round(counts["touched"] / max(1, counts["clean"]), 4),
    }


def rows_in(path: Path | None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file of JSON Lines."""
    if path is None:
        raise SystemExit("this measurement needs --data")
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.strip():
            yield json.loads(line)


def hit(text: str, source: str = "page.md") -> ScoredChunk:
    """Return a text as a retrieved passage."""
    chunk = Chunk(1, "d" * 32, 1, 0, 0, len(text), None, "", text)
    return ScoredChunk(chunk, "Page", source, "default", 1.0, Scores(), datetime(2026, 1, 1, tzinfo=UTC))


_MEASURES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "latency": latency,
    "fuzz": fuzz,
    "passages": passages,
    "attack": _attack,
    "planted": _planted,
    "ordinary": _texts,
    "pairs": _texts,
    "languages": _texts,
}

if __name__ == "__main__":
    main()
