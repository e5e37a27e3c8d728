"""Near-duplicates: pair F1 on planted variants of real pages, and documents/s against datasketch."""

from __future__ import annotations

import gc
import random
import statistics
from pathlib import Path
from typing import Any

from bench.ingest_parse import processor_seconds
from ingest.sketch import Bands, jaccard, shingles, signature

SEED = 7
THRESHOLD = 0.8
SHARES = (0.01, 0.03, 0.06, 0.12)
"""Of a page's words that a variant changes: three words of overlap are lost for each, so 0.06 lies at the threshold."""


def bench_near(folder: Path, runs: int) -> dict[str, Any]:
    """Plant variants of real pages, find them again, and time the sketches against datasketch."""
    random.seed(SEED)
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.md"))]
    texts = [text for text in texts if len(shingles(text)) >= 50]
    pool = texts + [_variant(text, share) for text in texts for share in SHARES]
    sets = [shingles(text) for text in pool]
    truth = {(a, b) for b in range(len(sets)) for a in range(b) if _near(sets[a], sets[b])}
    found: set[tuple[int, int]] = set()
    bands = Bands()
    for number, own in enumerate(sets):
        sketch = signature(own)
        found |= {(other, number) for other in bands.candidates(sketch) if jaccard(sets[other], own) >= THRESHOLD}
        bands.add(number, sketch)
    hits = len(truth & found)
    precision, recall = hits / max(len(found), 1), hits / max(len(truth), 1)
    gc.freeze()  # a million triples that both sides are given: neither pays for the collector's walks over them
    rates = [_sketch_rates(sets) for _ in range(runs)]
    gc.unfreeze()
    medians = {name: round(statistics.median(rate[name] for rate in rates), 1) for name in rates[0]}
    return {
        "documents": len(sets),
        "pairs": len(truth),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / max(precision + recall, 1e-9), 4),
        **medians,
    }


def _near(one: set[str], other: set[str]) -> bool:
    """Tell exactly whether two sets are near; sets of very unlike sizes cannot be."""
    small, large = sorted((len(one), len(other)))
    return small >= THRESHOLD * large and jaccard(one, other) >= THRESHOLD


def _variant(text: str, share: float) -> str:
    words = text.split(" ")
    for place in random.sample(range(len(words)), max(1, int(share * len(words)))):
        words[place] = f"changed{random.randrange(10_000)}"
    return " ".join(words)


def _sketch_rates(sets: list[set[str]]) -> dict[str, float]:
    """Return documents/s of sketch + query + insert, ours and, where installed, datasketch's."""

    def ours() -> None:
        bands = Bands()
        for number, own in enumerate(sets):
            sketch = signature(own)
            bands.candidates(sketch)
            bands.add(number, sketch)

    rates = {"our_documents_s": len(sets) / processor_seconds(ours)[0]}
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError:
        return rates

    def theirs() -> None:
        index = MinHashLSH(threshold=THRESHOLD, num_perm=128)
        for number, own in enumerate(sets):
            sketch = MinHash(num_perm=128)
            sketch.update_batch([piece.encode() for piece in own])
            index.query(sketch)
            index.insert(str(number), sketch)

    rates["datasketch_documents_s"] = len(sets) / processor_seconds(theirs)[0]
    return rates | {"times_datasketch": rates["our_documents_s"] / rates["datasketch_documents_s"]}
