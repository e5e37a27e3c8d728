"""Exact search on the CPU beside faiss-cpu's, all ratios from one run.

Run: python -m bench.search [--large 1000000] [--json results.json]

Batch: 256 queries over 100k × 384. Single: one query at a time over `--large` rows, everything permitted and 1 %
permitted. Vectors are random unit vectors (the hardest case for codes: every row is about as near as any other).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from retriever.dense import CpuSearch
from retriever.vectors import VectorIndex, VectorView

DIMENSION = 384
K = 10
ROUNDS = 15


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = {**batch(100_000, 256), **single(options.large)}
    for name, value in figures.items():
        print(f"{name:60s} {value:10.3f}")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1))


def batch(count: int, queries: int) -> dict[str, float]:
    """Compare throughput on a batch."""
    view, flat, search = _filled(count)
    asked, rows = _unit(queries, 2), np.arange(count)
    theirs, ours = _alternating(lambda: flat.search(asked, K), lambda: search.search(view, asked, rows, K), rounds=5)
    same = _recall(search.search(view, asked, rows, K)[0], flat.search(asked, K)[1])
    name = f"batch of {queries} over {count // 1000}k"
    return {
        f"{name}: IndexFlatIP, queries/s": queries / theirs,
        f"{name}: ours, queries/s": queries / ours,
        f"{name}: ours over IndexFlatIP (bar: at least 4)": theirs / ours,
        f"{name}: recall@10": same,
    }


def single(count: int) -> dict[str, float]:
    """Compare the time of one query, unfiltered and with 1 % of the rows permitted."""
    view, flat, search = _filled(count)
    everything = np.arange(count)
    few = np.flatnonzero(np.random.default_rng(3).random(count) < 0.01)
    queries = _unit(ROUNDS * 2 + 4, 4)
    search.search(view, queries[:1], everything, K)  # codes the rows
    turn = iter(range(10**6))

    def one() -> Any:
        return queries[(next(turn) % len(queries)) :][:1]

    theirs, ours = _alternating(lambda: flat.search(one(), K), lambda: search.search(view, one(), everything, K))
    again, filtered = _alternating(lambda: flat.search(one(), K), lambda: search.search(view, one(), few, K))
    found = np.concatenate([search.search(view, query[None], everything, K)[0] for query in queries])
    name = f"one query over {count // 1000}k"
    return {
        f"{name}: IndexFlatIP, ms": theirs * 1e3,
        f"{name}: ours, ms": ours * 1e3,
        f"{name}: ours over IndexFlatIP (bar: at most 0.65)": ours / theirs,
        f"{name}: recall@10 (bar: at least 0.999)": _recall(found, flat.search(queries, K)[1]),
        f"{name}: 1 % permitted, ours, ms": filtered * 1e3,
        f"{name}: 1 % permitted over unfiltered IndexFlatIP (bar: at most 0.1)": filtered / again,
    }


def _filled(count: int) -> tuple[VectorView, Any, CpuSearch]:
    rows, index, flat = _unit(count, 1), VectorIndex(DIMENSION), faiss.IndexFlatIP(DIMENSION)
    keys = np.arange(count, dtype=np.int64)
    index.add(keys, keys // 10, rows)
    view = index.view()
    flat.add(view.matrix)
    return view, flat, CpuSearch()


def _unit(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _alternating(first: Callable[[], Any], second: Callable[[], Any], *, rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the median seconds of two calls made in turn, so that a busy machine slows both alike."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, kept in zip((first, second), times, strict=True):
            start = time.perf_counter()
            work()
            kept.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def _recall(found: np.ndarray, truth: np.ndarray) -> float:
    pairs = zip(found.tolist(), truth.tolist(), strict=True)
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in pairs]))


if __name__ == "__main__":
    main()
