"""Search and embedding on a GPU against what the chip allows; prints a table and writes JSON.

Run: python -m bench.gpu.retrieval --base FOLDER --out retrieval.json [--rows 10000000] [--chunks texts.jsonl]

`--base` is the packaged encoder's folder. Needs torch, numpy, tokenizers, transformers and sentence-transformers; with
faiss-gpu its kernel is compared. Each line: figure, floor from bytes or operations measured in the same run, ratio.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.pooled import PooledTransformer, read_pooled_spec
from retriever import gpu as gpu_module
from retriever.gpu import GpuSearch, Kernel, _Resident, faiss_gpu_installed
from retriever.snapshot import IndexIdentity, Published, load_newest, publish
from retriever.vectors import VectorIndex, VectorView

DIMENSION = 384
K = 10
SECONDS = 3.0
"""Longest a figure is timed for."""
results: list[dict[str, Any]] = []


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--chunks", type=Path)
    options = parser.parse_args()
    copy_rate, product_rate = chip()
    steps: list[tuple[str, Callable[[], None]]] = [
        ("embedding", lambda: embedding(options.base, options.chunks, product_rate)),
        ("differential", differential),
        ("fault", fault),
        ("snapshot", lambda: snapshot(1_000_000)),
        ("scan 1M", lambda: scan(1_000_000, copy_rate, product_rate)),
        ("scan large", lambda: scan(options.rows, copy_rate, product_rate)),
        ("ivf", lambda: ivf(1_000_000)),
    ]
    for name, step in steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - one figure that fails must not cost the others
            record(f"FAILED {name}", 0.0, "", error=f"{type(error).__name__}: {error}")
        torch.cuda.empty_cache()
        options.out.write_text(json.dumps({"device": torch.cuda.get_device_name(), "results": results}, indent=1))


def record(name: str, value: float, unit: str, floor: float | None = None, **more: Any) -> None:
    """Keep and print one figure; the ratio is floor ÷ value for times, value ÷ floor for rates."""
    ratio = None if not floor or not value else (value / floor if unit.endswith("/s") else floor / value)
    results.append({"name": name, "value": value, "unit": unit, "floor": floor, "ratio": ratio, **more})
    shown = "" if ratio is None else f"  floor {floor:.4g}  ratio {ratio:.3f}"
    print(f"{name:58s} {value:12.4g} {unit}{shown}  {more or ''}", flush=True)


def timed(work: Callable[[], Any]) -> float:
    """Return the median seconds of a call, after three that warm up."""
    for _ in range(3):
        work()
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 200 and (len(times) < 5 or time.perf_counter() - began < SECONDS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def chip() -> tuple[float, float]:
    """Measure the rates that floors come from: bytes/s of a copy (read and written), operations/s of a product."""
    block, other = (torch.empty(1 << 30, dtype=torch.float16, device="cuda") for _ in range(2))
    copy = 4 * (1 << 30) / timed(lambda: other.copy_(block))
    a, b = (torch.randn(8192, 8192, dtype=torch.bfloat16, device="cuda") for _ in range(2))
    product = 2 * 8192**3 / timed(lambda: a @ b)
    record("device-to-device copy", copy / 1e12, "TB/s")
    record("bf16 product 8192^3", product / 1e12, "TFLOP/s")
    return copy, product


def unit_rows(count: int, seed: int) -> np.ndarray:
    """Return random unit vectors, made on the GPU."""
    made = torch.Generator("cuda").manual_seed(seed)
    rows = np.empty((count, DIMENSION), dtype=np.float32)
    for start in range(0, count, 1 << 20):
        block = torch.randn(min(1 << 20, count - start), DIMENSION, device="cuda", generator=made)
        rows[start : start + len(block)] = torch.nn.functional.normalize(block, dim=1).cpu().numpy()
    return rows


def plain_view(matrix: np.ndarray) -> VectorView:
    """Return a view over a matrix without the bookkeeping of ids."""
    keys = np.arange(len(matrix), dtype=np.int64)
    return VectorView(
        ids=keys,
        versions=keys,
        matrix=matrix,
        alive=np.ones(len(matrix), dtype=np.bool_),
        count=len(matrix),
        token=-len(matrix),
        epoch=-len(matrix),
        centroid=matrix[:1000].mean(axis=0),
        row_of={},
    )


def exact_rows(matrix: np.ndarray, queries: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the best rows and scores by float64 on the GPU, in blocks."""
    asked = torch.from_numpy(queries).cuda().double()
    best_scores, best_rows = [], []
    for start in range(0, len(rows), 1 << 19):
        part = rows[start : start + (1 << 19)]
        scores = asked @ torch.from_numpy(matrix[part]).cuda().double().T
        top = scores.topk(min(k, len(part)), dim=1)
        best_scores.append(top.values)
        best_rows.append(torch.from_numpy(part).cuda()[top.indices])
    scores, found = torch.cat(best_scores, 1), torch.cat(best_rows, 1)
    order = scores.topk(min(k, scores.shape[1]), dim=1)
    return found.gather(1, order.indices).cpu().numpy(), order.values.cpu().numpy()


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of true rows that were found."""
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), truth.tolist(), strict=True)]))


def kernels() -> list[Kernel]:
    """Return the kernels this machine can compare."""
    return ["product", "faiss"] if faiss_gpu_installed() else ["product"]


def differential() -> None:
    """Compare with float64 over permitted rows while rows come and go."""
    chance = np.random.default_rng(1)
    for kernel in kernels():
        search, index = GpuSearch("cuda", kernel), VectorIndex(DIMENSION)
        worst, wrong, checked = 1.0, 0, 0
        for step in range(4):
            ids = np.arange(step * 50_000, (step + 1) * 50_000, dtype=np.int64) + 1
            index.add(ids, ids // 20, unit_rows(len(ids), step))
            index.remove(chance.choice(ids, 12_000, replace=False).tolist())
            view = index.view()
            for share in (0.0005, 0.01, 0.3, 0.8, 1.0):
                versions = np.unique(view.versions)
                allowed = chance.random(versions.max() + 1) < share
                rows = np.flatnonzero(allowed[view.versions] & view.alive)
                queries = unit_rows(64, 100 + step)
                found, _ = search.search(view, queries, rows, K)
                worst = min(worst, recall(found, exact_rows(view.matrix, queries, rows, K)[0]))
                wrong += int((~np.isin(found, rows)).sum())
                checked += found.size
        record(f"{kernel}: worst recall@10 against float64, masks, adds, deletes", worst, "", faults=search.faults)
        record(f"{kernel}: rows returned that were not permitted", wrong, "rows", checked=checked)
        search.close()


def fault() -> None:
    """Break the GPU path in mid-flight: the request is answered, counted, and the next one uses the GPU again."""
    view, search = plain_view(unit_rows(200_000, 5)), GpuSearch("cuda")
    queries, rows = unit_rows(4, 6), np.arange(200_000)
    expected, _ = search.search(view, queries, rows, K)
    working, waiting = _Resident.search, gpu_module.RETRY_AFTER_S

    def fail(*_: Any) -> Any:
        torch.empty(1 << 46, dtype=torch.uint8, device="cuda")  # a real out-of-memory error

    _Resident.search, gpu_module.RETRY_AFTER_S = fail, 0.0  # type: ignore[method-assign]
    during, _ = search.search(view, queries, rows, K)
    _Resident.search, gpu_module.RETRY_AFTER_S = working, waiting  # type: ignore[method-assign]
    after, _ = search.search(view, queries, rows, K)
    same = bool((during == expected).all() and (after == expected).all())
    record("fault in mid-flight: same answers", float(same), "", faults=search.faults)
    search.close()


def snapshot(count: int) -> None:
    """Write a snapshot, read it back into an index, and answer from the GPU."""
    made, loaded, search = VectorIndex(DIMENSION), VectorIndex(DIMENSION), GpuSearch("cuda")
    keys, queries = np.arange(1, count + 1, dtype=np.int64), unit_rows(4, 6)
    made.add(keys, keys // 20, unit_rows(count, 5))
    identity = IndexIdentity(1, "random", "0", DIMENSION)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "lexical").mkdir()
        publish(home / "snapshots", Published(identity, 1, made.view(), home / "lexical"), home / "staged")
        start = time.perf_counter()
        read = load_newest(home / "snapshots", identity, home / "placed", range(2), room=loaded.room)
        assert read is not None
        loaded.take(read.ids, read.versions)
        host = time.perf_counter() - start
        view, everything = loaded.view(), np.arange(count)
        found, _ = search.search(view, queries, everything, K)
        seconds = time.perf_counter() - start
    hit = recall(found, exact_rows(view.matrix, queries, everything, K)[0])
    record("1M: snapshot checked, in host memory", host, "s")
    record("1M: snapshot to the first answer from the GPU", seconds, "s", recall=hit)
    search.close()


def scan(count: int, copy_rate: float, product_rate: float) -> None:
    """Time exact search over `count` rows by batch size and kernel, and permitted subsets."""
    matrix = unit_rows(count, 7)
    view, everything, name = plain_view(matrix), np.arange(count), f"{count / 1e6:g}M"
    loaded = GpuSearch("cuda")
    start = time.perf_counter()
    loaded.search(view, unit_rows(1, 8), everything, K)
    record(f"{name}: first search, upload of the float32 rows included", time.perf_counter() - start, "s")
    loaded.close()
    for kernel in kernels():
        search = GpuSearch("cuda", kernel)
        for batch in (1, 64, 1024):
            queries = unit_rows(batch, 9)
            seconds = timed(lambda q=queries, s=search: s.search(view, q, everything, K))
            resident = search._resident
            inner = timed(lambda q=queries, r=resident: r.search(view, q, everything, K + gpu_module.EXTRA))
            floor = max(count * DIMENSION * 2 / copy_rate, 2 * batch * count * DIMENSION / product_rate)
            found, _ = search.search(view, queries[:64], everything, K)
            hit = recall(found, exact_rows(matrix, queries[:64], everything, K)[0])
            record(f"{name} {kernel}: scan, batch {batch}", inner * 1e3, "ms", floor * 1e3, recall=hit)
            record(f"{name} {kernel}: search with exact re-scoring, batch {batch}", seconds * 1e3, "ms", floor * 1e3)
        for share in (0.001, 0.01, 0.1, 0.8):
            rows = np.flatnonzero(np.random.default_rng(3).random(count) < share)
            one = unit_rows(1, 11)
            seconds = timed(lambda q=one, s=search, r=rows: s.search(view, q, r, K))
            found, _ = search.search(view, one, rows, K)
            hit = recall(found, exact_rows(matrix, one, rows, K)[0])
            record(f"{name} {kernel}: one query, {share:.1%} of rows permitted", seconds * 1e3, "ms", recall=hit)
        record(f"{name} {kernel}: faults", search.faults, "")
        search.close()
        torch.cuda.empty_cache()


def ivf(count: int) -> None:
    """Compare with FAISS's IVF on the GPU, where faiss-gpu is installed."""
    if not faiss_gpu_installed():
        return
    import faiss

    matrix, queries = unit_rows(count, 7), unit_rows(1024, 9)
    truth, _ = exact_rows(matrix, queries, np.arange(count), K)
    index = faiss.GpuIndexIVFFlat(faiss.StandardGpuResources(), DIMENSION, 4096, faiss.METRIC_INNER_PRODUCT)
    start = time.perf_counter()
    index.train(matrix[:: max(1, count // 200_000)])
    index.add(matrix)
    built = time.perf_counter() - start
    for probes in (16, 64, 256):
        index.nprobe = probes
        seconds = timed(lambda: index.search(queries, K))
        hit = recall(index.search(queries, K)[1], truth)
        record(f"IVF4096 1M, {probes} probes, batch 1024", seconds * 1e3, "ms", recall=hit, build_s=built)


def embedding(base: Path, chunks: Path | None, product_rate: float) -> None:
    """Time our encoder and sentence-transformers' default `encode`, both in half precision, on the same chunks."""
    from sentence_transformers import SentenceTransformer

    texts = _texts(chunks)
    spec = read_pooled_spec(base)
    assert spec is not None
    ours = PooledTransformer(base, spec, "cuda", batch_size=32)
    theirs = SentenceTransformer(str(base), device="cuda", model_kwargs={"torch_dtype": torch.float16})
    tokens = sum(len(ids) for ids in ours._tokenize(texts, "document"))
    ours.encode(texts[:2000], "document")
    theirs.encode(texts[:2000])
    torch.cuda.synchronize()
    start = time.perf_counter()
    vectors = ours.encode(texts, "document")
    mine = time.perf_counter() - start
    start = time.perf_counter()
    reference = theirs.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    other = time.perf_counter() - start
    operations = 2 * 10.6e6 * tokens  # multiply-adds of the six layers' weights, attention not counted
    record("embedding, ours", tokens / mine, "tokens/s", product_rate / (2 * 10.6e6), chunks_per_s=len(texts) / mine)
    record("embedding, sentence-transformers default encode", tokens / other, "tokens/s", chunks=len(texts))
    record("embedding, ours over sentence-transformers", other / mine, "x", tokens=tokens, tflop=operations / 1e12)
    cosine = (vectors * reference).sum(axis=1)
    record("embedding, least cosine with sentence-transformers", float(cosine.min()), "")


def _texts(chunks: Path | None) -> list[str]:
    """Return the chunks of a JSON Lines file of strings, else made-up ones of chunk-like lengths."""
    if chunks is not None:
        return [json.loads(line) for line in chunks.read_text(encoding="utf-8").splitlines()]
    chance = random.Random(1)
    words = [
        "policy",
        "leave",
        "annual",
        "budget",
        "travel",
        "the",
        "employee",
        "manager",
        "report",
        "within",
        "thirty",
    ]
    return [" ".join(chance.choices(words, k=chance.randint(40, 200))) for _ in range(40_000)]


if __name__ == "__main__":
    main()
