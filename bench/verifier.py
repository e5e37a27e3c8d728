"""How long the verifier takes a claim: the claims of one answer judged in one batch, each against its best windows.

    python -m bench.verifier --corpus C.jsonl [--answers 60]

Claims are sentences of passages with one word left out, so that none stands verbatim in the evidence and each goes
through the model; evidence is `--passages` passages an answer. Most such claims are settled by the first window
(`held`); those of another answer's passages are not, and cost every window (`foreign`: the dearest case). Prints one
JSON object: milliseconds a claim, in answers of one and of four claims, by the clock and, for a machine that others use
too, by the processor (all threads together).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.sentences import split_sentences
from core.settings import load_settings
from core.types import Chunk, Evidence, ScoredChunk, Scores
from evals.cases import read_corpus
from evals.metrics import percentile
from generation.cite import DraftClaim
from generation.verify import Grounds, Verifier
from models.adapters import load_classifier

WARM_UP = 3
SIZES = (1, 4)
"""Claims of one answer."""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", type=Path, required=True, help="a BEIR corpus")
    parser.add_argument("--answers", type=int, default=60)
    parser.add_argument("--passages", type=int, default=8)
    args = parser.parse_args()
    settings = load_settings()
    verifier = Verifier(settings, load_classifier(settings.embedder, settings.home))
    made = list(_answers(args.corpus, args.answers + WARM_UP, args.passages))
    foreign = [(claims, evidence) for (claims, _), (_, evidence) in zip(made, [*made[1:], made[0]], strict=True)]
    found: dict[str, Any] = {
        "answers": args.answers,
        "passages": args.passages,
        "cpus": len(os.sched_getaffinity(0)),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "load_1min": os.getloadavg()[0],
        "held": _times(verifier, made),
        "foreign": _times(verifier, foreign),
    }
    print(json.dumps(found, indent=1))


def _times(verifier: Verifier, answers: Sequence[tuple[list[DraftClaim], list[Evidence]]]) -> dict[str, float]:
    found, used = {}, 0
    for size in SIZES:
        own = slice(used, used := used + size)  # no claim twice: what was scored lately is not scored again
        times = [_timed(verifier, claims[own], evidence) for claims, evidence in answers][WARM_UP:]
        for name, taken in zip(("", "cpu_"), zip(*times, strict=True), strict=True):
            for share in (50, 95):
                found[f"{size}_claims_{name}p{share}_ms"] = round(percentile(taken, share) or 0.0, 1)
    return found


def _timed(verifier: Verifier, claims: list[DraftClaim], evidence: list[Evidence]) -> tuple[float, float]:
    """Return the milliseconds that a claim of one answer takes, by the clock and by the processor."""
    started, worked = time.perf_counter(), time.process_time()
    list(verifier.check("", claims, Grounds(evidence)))
    ms = 1000 / len(claims)
    return (time.perf_counter() - started) * ms, (time.process_time() - worked) * ms


def _answers(corpus: Path, count: int, passages: int) -> Iterator[tuple[list[DraftClaim], list[Evidence]]]:
    """Yield claims and their evidence, passages that no other answer has."""
    rows = [row for row in read_corpus(corpus) if len(split_sentences(row.text)) >= 2]
    for start in range(0, min(len(rows) - passages, count * passages), passages):
        evidence = [_evidence(number, row.text) for number, row in enumerate(rows[start : start + passages], 1)]
        sentences = [item.hit.chunk.text[slice(*split_sentences(item.hit.chunk.text)[0])] for item in evidence]
        yield [DraftClaim(_changed(text), (number,), " ") for number, text in enumerate(sentences, 1)], evidence


def _changed(sentence: str) -> str:
    words = sentence.split()
    return " ".join(words[: len(words) // 2] + words[len(words) // 2 + 1 :])


def _evidence(number: int, text: str) -> Evidence:
    chunk = Chunk(number, f"d{number}", 1, 0, 0, len(text), None, "", text)
    hit = ScoredChunk(chunk, "", f"{number}.md", "default", 1.0, Scores(dense=0.5), datetime.now(UTC))
    return Evidence(number, hit)


if __name__ == "__main__":
    main()
