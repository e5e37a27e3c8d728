"""The two readers on a GPU, against the CPU: a question's time, passages a second, and how far scores differ.

    python -m bench.gpu.readers --home HOME --questions FILE --out readers.json [--limit 120]

Reads what a home's store finds for each question, as a question is read: the first reader five passages, the second
one three.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from app.runtime import open_runtime
from bench.gpu.loop import percentiles
from core.settings import EmbedderSettings, load_settings
from core.types import OPERATOR, Query
from generation.evidence import select_evidence
from generation.readings import READ_AGAIN, READ_AT_MOST, context_of
from models.reader import load_reader
from models.second_reader import load_second_reader

Score: TypeAlias = Callable[[str, Sequence[str]], Sequence[float]]
Asked: TypeAlias = list[tuple[str, list[str]]]


def main() -> None:
    """Measure on both devices and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=120)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args()
    asked = _asked(options.home, options.questions, options.limit)
    ours, theirs = _readers(options.device), _readers("cpu")
    report: dict[str, Any] = {"device": options.device, "questions": len(asked)}
    for name, passages in (("reader", READ_AT_MOST), ("second_reader", READ_AGAIN)):
        some = [(question, texts[:passages]) for question, texts in asked]
        report[name] = _compared(ours[name], theirs[name], some)
        print(json.dumps({name: report[name]}), flush=True)
    options.out.write_text(json.dumps(report, indent=1), encoding="utf-8")


def _asked(home: Path, questions: Path, limit: int) -> Asked:
    lines = questions.read_text(encoding="utf-8").splitlines()[:limit]
    with open_runtime(load_settings(home), follow=False) as runtime:
        found = []
        for question in (json.loads(line)["question"] for line in lines):
            evidence = select_evidence(runtime.retriever.retrieve(Query(question), OPERATOR), runtime.settings)
            found.append((question, [context_of(item) for item in evidence]))
    return [(question, texts) for question, texts in found if texts]


def _readers(device: Literal["cuda", "cpu"]) -> dict[str, Score]:
    settings = EmbedderSettings(device=device)
    first, second = load_reader(settings), load_second_reader(settings)
    first.warm()
    second.warm()
    return {
        "reader": lambda question, texts: [reading.logit for reading in first.read(question, texts)],
        "second_reader": lambda question, texts: [reading.logit for reading in second.read(question, texts)],
    }


def _compared(ours: Score, theirs: Score, asked: Asked) -> dict[str, Any]:
    times, scores = _timed(ours, asked)
    beside = asked[:: max(1, len(asked) // 30)]  # a CPU takes a quarter of a second each
    cpu_times, cpu_scores = _timed(theirs, beside)
    same = np.array(_timed(ours, beside)[1]) - np.array(cpu_scores)
    return {
        "question_ms": percentiles(times),
        "cpu_question_ms": percentiles(cpu_times),
        "passages_per_s": round(len(scores) / sum(times)),
        "largest_difference": round(float(np.abs(same).max()), 4),
        "spread_of_scores": round(float(np.std(scores)), 2),
    }


def _timed(score: Score, asked: Asked) -> tuple[list[float], list[float]]:
    score(*asked[0])
    times, scores = [], []
    for question, texts in asked:
        start = time.perf_counter()
        scores += score(question, texts)
        times.append(time.perf_counter() - start)
    return times, scores


if __name__ == "__main__":
    main()
