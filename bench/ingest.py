"""Ingestion against its yardsticks: `python -m bench.ingest {parse,near,whole,peers} [--folder DIR] [--runs N]`.

parse  pages/s of parse + clean + chunk against bare pypdfium2 text extraction, one core each, interleaved.
near   near-duplicates: pair F1 against exact Jaccard on planted variants, documents/s against datasketch.
whole  a folder through `ingest`: share of embedding in the wall time, chunks/s against the encoder alone, peak memory.
peers  documents/s, the encoder's cost apart, against LangChain's and haystack's usual pipelines where installed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from core.db.session import Database
from core.settings import load_settings
from ingest.chunk import chunk
from ingest.clean import assemble
from ingest.near import Bands, jaccard, shingles, signature
from ingest.parsers.dispatch import parse
from ingest.parsers.request import ParseRequest
from ingest.report import IngestOptions
from ingest.run import ingest
from ingest.tokens import TokenCounter
from models.encoder import Encoder, load_encoder

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SEED = 7


def processor_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time a piece of work took and its result: a busy machine does not change it much."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def bare_pages(path: Path) -> int:
    """Extract the text of every page of a PDF and do nothing with it."""
    import pypdfium2

    pdf = pypdfium2.PdfDocument(str(path))
    for index in range(len(pdf)):
        page = pdf[index]
        textpage = page.get_textpage()
        textpage.get_text_range()
        textpage.close()
        page.close()
    return len(pdf)


def our_pages(path: Path, tokens: TokenCounter, encoder: Encoder) -> int:
    """Parse, clean and chunk a PDF in this process."""
    settings = load_settings(Path("/nonexistent")).ingest
    with tempfile.TemporaryDirectory() as spool:
        raw = parse(ParseRequest(path, path.name, Path(spool), 60.0, ocr=False))
        chunk(assemble(raw, path.stem), settings, tokens, encoder.max_tokens)
    return raw.pages


def bench_parse(folder: Path, runs: int) -> dict[str, Any]:
    """Interleave bare extraction with ours over every PDF of a folder."""
    encoder = load_encoder(load_settings(Path("/nonexistent")).embedder)
    tokens = TokenCounter(encoder.token_spans)
    ratios, bare_rate, our_rate = [], [], []
    files = sorted(folder.rglob("*.pdf"))
    for _ in range(runs):
        bare = ours = 0.0
        pages = 0
        for path in files:
            seconds, count = processor_seconds(lambda path=path: bare_pages(path))
            bare, pages = bare + seconds, pages + count
            ours += processor_seconds(lambda path=path: our_pages(path, tokens, encoder))[0]
        ratios.append(bare / ours)
        bare_rate.append(pages / bare)
        our_rate.append(pages / ours)
    return {
        "files": len(files),
        "pages": pages,
        "bare_pages_s": round(statistics.median(bare_rate)),
        "our_pages_s": round(statistics.median(our_rate)),
        "ratio": round(statistics.median(ratios), 3),
        "peak_mb": _peak_mb(),
    }


def bench_near(folder: Path, runs: int) -> dict[str, Any]:
    """Plant variants of real pages, find them again, and time the sketches against datasketch."""
    random.seed(SEED)
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.md"))]
    texts = [text for text in texts if len(shingles(text)) >= 50]
    pool = texts + [_variant(text, share) for text in texts for share in (0.01, 0.03, 0.06, 0.12)]
    sets = [shingles(text) for text in pool]
    truth = {(a, b) for b in range(len(sets)) for a in range(b) if _near(sets[a], sets[b])}
    found: set[tuple[int, int]] = set()
    bands = Bands()
    for number, own in enumerate(sets):
        sketch = signature(own)
        found |= {(other, number) for other in bands.candidates(sketch) if jaccard(sets[other], own) >= 0.8}
        bands.add(number, sketch)
    hits = len(truth & found)
    precision, recall = hits / max(len(found), 1), hits / max(len(truth), 1)
    rates = [_sketch_rates(sets) for _ in range(runs)]
    return {
        "documents": len(sets),
        "pairs": len(truth),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / max(precision + recall, 1e-9), 4),
        **{name: round(statistics.median(rate[name] for rate in rates)) for name in rates[0]},
    }


def _near(one: set[str], other: set[str]) -> bool:
    """Tell exactly whether two sets are near; sets of very unlike sizes cannot be."""
    small, large = sorted((len(one), len(other)))
    return small >= 0.8 * large and jaccard(one, other) >= 0.8


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
        index = MinHashLSH(threshold=0.8, num_perm=128)
        for number, own in enumerate(sets):
            sketch = MinHash(num_perm=128)
            sketch.update_batch([piece.encode() for piece in own])
            index.query(sketch)
            index.insert(str(number), sketch)

    return rates | {"datasketch_documents_s": len(sets) / processor_seconds(theirs)[0]}


def bench_whole(folder: Path, runs: int) -> dict[str, Any]:
    """Ingest a folder into a new home, then again unchanged; then encode its passages alone."""
    settings = load_settings(Path("/nonexistent"))
    encoder = load_encoder(settings.embedder)
    rows = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as home:
            here = load_settings(Path(home))
            database = Database.open(here)
            parts: dict[str, Any] = {"database": database, "settings": here, "encoder": encoder}
            first = ingest([folder], IngestOptions(), **parts)
            again = ingest([folder], IngestOptions(), **parts)
            alone = _encoder_alone(database, encoder)
            database.close()
        rows.append(
            {
                "documents": first.added,
                "failed": len(first.failed),
                "chunks": first.chunks,
                "seconds": first.seconds,
                "embedding_share": first.embed_seconds / first.seconds,
                "chunks_s": first.chunks / first.seconds,
                "encoder_chunks_s": first.chunks / alone,
                "again_s": again.seconds,
            }
        )
    result = {name: round(statistics.median(row[name] for row in rows), 3) for name in rows[0]}
    return result | {"ratio": round(result["chunks_s"] / result["encoder_chunks_s"], 3), "peak_mb": _peak_mb()}


def _encoder_alone(database: Database, encoder: Encoder) -> float:
    from sqlalchemy import select

    from core.db.models import ChunkRow

    with database.read() as session:
        texts = [f"{heading}\n{text}" for heading, text in session.execute(select(ChunkRow.heading, ChunkRow.text))]
    began = time.perf_counter()
    encoder.encode(texts, "document")
    return time.perf_counter() - began


class NoEncoder:
    """Takes the encoder's cost out: the same tokens, vectors that cost nothing."""

    def __init__(self, encoder: Encoder) -> None:
        self.name, self.revision, self.dimension = encoder.name, encoder.revision, encoder.dimension
        self.max_tokens, self.token_spans = encoder.max_tokens, encoder.token_spans

    def encode(self, texts: list[str], kind: str, on_batch: Any = None) -> Any:
        """Return equal unit vectors."""
        import numpy as np

        return np.full((len(texts), self.dimension), self.dimension**-0.5, dtype=np.float32)


def bench_peers(folder: Path, runs: int) -> dict[str, Any]:
    """Time documents/s without the encoder's cost, interleaved with LangChain's usual pipeline."""
    encoder: Any = NoEncoder(load_encoder(load_settings(Path("/nonexistent")).embedder))
    rates: dict[str, list[float]] = {"attest_documents_s": [], "langchain_documents_s": []}
    files = [path for path in folder.rglob("*") if path.suffix in (".md", ".pdf", ".html", ".docx")]
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as home:
            settings = load_settings(Path(home))
            database = Database.open(settings)
            began = time.perf_counter()
            ingest(files, IngestOptions(), database=database, settings=settings, encoder=encoder)
            rates["attest_documents_s"].append(len(files) / (time.perf_counter() - began))
            database.close()
        try:
            began = time.perf_counter()
            _langchain(folder, encoder)
            rates["langchain_documents_s"].append(len(files) / (time.perf_counter() - began))
        except ImportError as error:
            sys.stderr.write(f"without LangChain's loaders: {error}\n")
    return {name: round(statistics.median(values), 2) if values else None for name, values in rates.items()}


def _langchain(folder: Path, encoder: NoEncoder) -> None:
    import faiss
    from langchain_community.document_loaders import DirectoryLoader
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    documents = DirectoryLoader(str(folder), silent_errors=True).load()
    pieces = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=150).split_documents(documents)
    index = faiss.IndexFlatIP(encoder.dimension)
    index.add(encoder.encode([piece.page_content for piece in pieces], "document"))


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


BENCHES = {
    "parse": (bench_parse, DATA / "financebench" / "docs"),
    "near": (bench_near, DATA / "handbook" / "18f" / "md"),
    "whole": (bench_whole, DATA / "handbook" / "18f" / "md"),
    "peers": (bench_peers, DATA / "handbook" / "18f" / "md"),
}


def main() -> None:
    """Run one benchmark and print its figures as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("bench", choices=BENCHES)
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--runs", type=int, default=3)
    given = arguments.parse_args()
    run, folder = BENCHES[given.bench]
    print(json.dumps(run(given.folder or folder, given.runs), indent=2))


if __name__ == "__main__":
    main()
