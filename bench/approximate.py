"""Approximate indexes on the CPU beside exact search: recall@10, time of one query, time to build.

    python -m bench.approximate [--rows 1000000] [--json FILE] [--plot FILE]

IVF and HNSW of FAISS over 8-bit codes, what they find scored again exactly, over rows of few directions and some noise:
text has neighbourhoods, and unit vectors without any are the worst case for every approximate index. Exact is
`retriever.dense.CpuSearch`. Times are medians of single queries, made in turn with the exact one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retriever.dense import CpuSearch
from retriever.vectors import VectorIndex

DIMENSION = 384
K = 10
QUERIES = 50
FETCH = 4
"""Rows taken by code for every row wanted, as `retriever.coarse` does."""
DIRECTIONS = 32
NOISE = 0.5
"""Length of the noise beside 1 for what lies in the few directions."""
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of one index."""

    index: str
    setting: str
    build_s: float
    ms: float
    recall: float
    of_exact: float
    """The time of one query over that of exact search in the same run."""


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--indexes", nargs="+", choices=["ivf", "hnsw"], default=["ivf", "hnsw"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    rows, queries = textlike(options.rows)
    points = measure(rows, queries, options.indexes)
    text = json.dumps({"rows": options.rows, "dimension": DIMENSION, "points": [asdict(point) for point in points]})
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.plot is not None:
        plot(points, options.plot)
    print(text)


def textlike(count: int, seed: int = 11) -> tuple[Vectors, Vectors]:
    """Return unit rows and queries that lie near a space of few directions."""
    draw = np.random.default_rng(seed)
    directions = draw.standard_normal((DIRECTIONS, DIMENSION), dtype=np.float32) / np.sqrt(DIMENSION)

    def some(n: int) -> Vectors:
        rows = draw.standard_normal((n, DIMENSION), dtype=np.float32) * np.float32(NOISE / np.sqrt(DIMENSION))
        rows += _unit(draw.standard_normal((n, DIRECTIONS), dtype=np.float32)) @ directions
        return _unit(rows)

    return some(count), some(QUERIES)


def measure(rows: Vectors, queries: Vectors, kinds: list[str]) -> list[Point]:
    """Build each index, then ask every setting of it in turn with exact search."""
    index = VectorIndex(DIMENSION)
    keys = np.arange(len(rows), dtype=np.int64)
    index.add(keys, keys, rows)
    view, exact = index.view(), CpuSearch()

    def truth(query: Vectors) -> NDArray[np.int64]:
        return exact.search(view, query, keys, K)[0]

    wanted = np.concatenate([truth(query[None]) for query in queries])
    points: list[Point] = []
    for kind in kinds:
        started = time.perf_counter()
        built, settings = _ivf(view.matrix) if kind == "ivf" else _hnsw(view.matrix)
        seconds = time.perf_counter() - started
        for name, apply in settings:
            apply()
            theirs, ours, found = _in_turn(partial(_scored_again, built, view.matrix), truth, queries)
            points.append(Point(kind, name, round(seconds, 1), theirs, _recall(found, wanted), theirs / ours))
            sys.stderr.write(f"{points[-1]}\n")
        del built
    exact.close()
    return points


def _ivf(rows: Vectors) -> tuple[Any, list[tuple[str, Callable[[], None]]]]:
    import faiss

    lists = int(4 * np.sqrt(len(rows)))
    index: Any = faiss.index_factory(DIMENSION, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = 10
    sample = np.random.default_rng(0).choice(len(rows), min(len(rows), 40 * lists), replace=False)
    index.train(rows[np.sort(sample)])
    index.add(rows)

    def probing(count: int) -> Callable[[], None]:
        return lambda: setattr(index, "nprobe", count)

    return index, [(f"nprobe {count} of {lists}", probing(count)) for count in (16, 64, 128, 256)]


def _hnsw(rows: Vectors) -> tuple[Any, list[tuple[str, Callable[[], None]]]]:
    import faiss

    index: Any = faiss.index_factory(DIMENSION, "HNSW16_SQ8", faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 40
    index.train(rows[:100_000])
    index.add(rows)

    def looking(count: int) -> Callable[[], None]:
        return lambda: setattr(index.hnsw, "efSearch", count)

    return index, [(f"M 16, efSearch {count}", looking(count)) for count in (32, 64, 128, 256)]


def _scored_again(index: Any, rows: Vectors, query: Vectors) -> NDArray[np.int64]:
    found = index.search(query, FETCH * K)[1][0]
    found = found[found >= 0]
    best: NDArray[np.int64] = found[np.argsort(-(rows[found] @ query[0]), kind="stable")[:K]]
    return best


def _in_turn(
    search: Callable[[Vectors], NDArray[np.int64]], truth: Callable[[Vectors], Any], queries: Vectors
) -> tuple[float, float, list[NDArray[np.int64]]]:
    """Return milliseconds of both and the rows the index found."""
    theirs: list[float] = []
    ours: list[float] = []
    found = []
    for query in queries:
        start = time.perf_counter()
        found.append(search(query[None]))
        middle = time.perf_counter()
        truth(query[None])
        theirs.append((middle - start) * 1000)
        ours.append((time.perf_counter() - middle) * 1000)
    return statistics.median(theirs), statistics.median(ours), found


def plot(points: list[Point], path: Path) -> None:
    """Draw recall over the share of exact search's time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), dpi=120)
    for kind in sorted({point.index for point in points}):
        own = [point for point in points if point.index == kind]
        axes.plot([point.of_exact for point in own], [point.recall for point in own], "o-", label=kind.upper())
    axes.plot([1], [1], "s", color="#b3261e", label="exact (8-bit codes, scored again)")
    axes.set(xscale="log", xlabel="time of one query over exact search's", ylabel="recall@10")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def _unit(rows: Vectors) -> Vectors:
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _recall(found: list[NDArray[np.int64]], wanted: NDArray[np.int64]) -> float:
    pairs = zip(found, wanted, strict=True)
    return float(np.mean([len(set(one.tolist()) & set(other.tolist())) / len(other) for one, other in pairs]))


if __name__ == "__main__":
    main()
