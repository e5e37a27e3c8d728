"""One of the processes of `bench.gpu.asking`: answers the passes it is told on standard input, and reports each.

It holds a runtime of its own before a home that it shares, as a server process does.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.ask import ask_events
from app.events import ClaimReleased, Concluded
from app.runtime import Runtime, answer_many
from app.warm import warm
from bench.gpu.loop import Reply, Window, bare_stream, closed_loop, timed
from core.settings import Settings, load_settings
from core.types import OPERATOR, Evidence, Message, Question
from generation.prompter import make_prompter
from generation.tasks import ServedTask
from generation.vllm import VllmGenerator

MAX_TOKENS = 64
WARMING_S = 3.0


class Watched(VllmGenerator):
    """The product's client, which also keeps what it sends and notes when a draft begins to come."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.generation, settings.home, make_prompter(settings))
        self.salt = ""
        self.sent: list[dict[str, Any]] = []
        self.asking = threading.local()
        self.open = threading.Semaphore()
        """As many drafts as are let into the server at a time."""

    def draft(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> Iterator[str]:
        """Yield the draft."""
        reply, since = self.asking.reply, self.asking.since
        with self.open:
            for piece in super().draft(question, evidence, history):
                reply.first_piece_s = reply.first_piece_s or time.perf_counter() - since
                reply.pieces += 1
                yield piece

    def _body(
        self, messages: list[dict[str, str]], max_tokens: int, evidence: Sequence[Evidence], task: ServedTask | None
    ) -> dict[str, Any]:
        body = super()._body(messages, max_tokens, evidence, task)
        body["cache_salt"] = self.salt
        self.sent.append(body)
        return body


class Asker:
    """A warm runtime, and how far it has come in the questions."""

    def __init__(self, runtime: Runtime, watched: Watched, questions: Sequence[str], url: str, name: str) -> None:
        self._runtime, self._watched, self._questions, self._url, self._name = runtime, watched, questions, url, name
        self._passes = 0
        self._at = self._reached = 0
        """Where the pass began in the questions, and how far it has come."""

    def run(self, arm: str, callers: int, places: int, ramp_s: float, seconds: float) -> Window:
        """Run one pass of an arm: so many callers, of whom `places` are in the model server at a time."""
        self._passes += 1
        salt = f"{self._name}-{self._passes}"
        if arm == "bare":
            sent = list(self._watched.sent)
            return closed_loop(lambda number: self._bare(sent, number, salt), places, ramp_s, seconds)
        self._watched.salt, self._watched.open = salt, threading.Semaphore(places)
        self._watched.sent.clear()
        window = closed_loop(lambda number: self._ask(self._at + number), callers, ramp_s, seconds)
        self._at = self._reached
        return window

    def _bare(self, sent: Sequence[Mapping[str, Any]], number: int, salt: str) -> Reply:
        again = {**sent[number % len(sent)], "cache_salt": f"{salt}-{number // len(sent)}"}
        return timed(bare_stream(self._url, again))

    def _ask(self, number: int) -> Reply:
        self._reached = max(self._reached, number + 1)
        reply = Reply()
        asking = self._watched.asking
        asking.reply, asking.since = reply, time.perf_counter()
        question = Question(self._questions[number % len(self._questions)], OPERATOR, generator="vllm")
        for event in ask_events(self._runtime, question):
            if isinstance(event, ClaimReleased) and not reply.first_sentence_s:
                reply.first_sentence_s = time.perf_counter() - asking.since
            if isinstance(event, Concluded):
                reply.outcome, reply.stages_ms = event.answer.outcome, event.answer.timings_ms
                if event.answer.reason:
                    reply.outcome += f": {event.answer.reason}"
        return reply


def main() -> None:
    """Warm up, say so, and run what each line of standard input asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--task", default="auto")
    parser.add_argument("--number", type=int, default=0)
    parser.add_argument("--of", type=int, default=1)
    options = parser.parse_args()
    rows = options.questions.read_text(encoding="utf-8").splitlines()
    questions = [json.loads(row)["question"] for row in rows][options.number :: options.of]
    answer_many()
    settings = load_settings(options.home)
    changes = {"vllm_urls": (f"{options.url}/v1",), "max_tokens": MAX_TOKENS, "task": options.task}
    settings = settings.model_copy(update={"generation": settings.generation.model_copy(update=changes)})
    with Runtime(settings) as runtime:
        watched = Watched(settings)
        runtime._parts["generator:vllm"] = runtime._parts["generator:auto"] = watched
        warm(runtime)
        asker = Asker(runtime, watched, questions, options.url, f"{options.number}/{options.of}")
        asker.run("asks", 4, 4, 0.0, WARMING_S)
        print("ready", flush=True)
        for line in sys.stdin:
            window = asker.run(**json.loads(line))
            print(
                json.dumps({"replies": [asdict(reply) for reply in window.replies], "cpu_s": window.cpu_s}), flush=True
            )


if __name__ == "__main__":
    main()
