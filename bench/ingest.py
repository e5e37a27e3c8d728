"""Ingestion against its yardsticks: `python -m bench.ingest BENCH [--folder DIR] [--runs N]`.

parse   pages/s of parse + clean + chunk against bare pypdfium2 text extraction and `unstructured` fast, one core each.
near    near-duplicates: pair F1 against exact Jaccard on planted variants, documents/s against datasketch.
whole   a folder through `ingest`: chunks/s against the encoder alone, interleaved; the same folder again.
peers   documents/s against LangChain's and haystack's usual pipelines, with and without the encoder's cost.
mixed   the same over what a shared drive holds: PDF, Office files, HTML, tables, text and Markdown.
folder  a 300 MB mixed folder: memory of all processes together, and SIGKILL in the middle.
dask    the passages of a local Dask cluster with two workers against those of one process.

Peers are no dependency of ours: `bench/peers-requirements.txt` says how to have them beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, get_args

os.environ.setdefault("OMP_NUM_THREADS", "1")

from sqlalchemy import select

from bench.ingest_dask import bench_dask
from bench.ingest_folder import bench_folder
from bench.ingest_near import bench_near
from bench.ingest_parse import bench_parse
from bench.ingest_peers import PEERS, SUFFIXES, Embedding, bench_peers, handbook_files, mixed_files
from core.db.models import ChunkRow
from core.db.session import Database
from core.settings import load_settings
from ingest.report import IngestOptions
from ingest.run import ingest
from models.encoder import Encoder, load_encoder

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
HANDBOOK = DATA / "handbook" / "18f"


def bench_whole(folder: Path, runs: int, every: int) -> dict[str, Any]:
    """Ingest a folder into a new home, then again unchanged; then encode its passages alone."""
    encoder = load_encoder(load_settings(Path("/nonexistent")).embedder)
    encoder.encode(["a passage of many words " * 40] * 64, "document")
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)[::every]
    rows = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as home:
            here = load_settings(Path(home))
            database = Database.open(here)
            parts: dict[str, Any] = {"database": database, "settings": here, "encoder": encoder}
            first = ingest(files, IngestOptions(), **parts)
            alone = _encoder_alone(database, encoder)
            again = ingest(files, IngestOptions(), **parts)
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
                "ratio": alone / first.seconds,
                "again_s": again.seconds,
            }
        )
    return {name: round(statistics.median(row[name] for row in rows), 3) for name in rows[0]}


def _encoder_alone(database: Database, encoder: Encoder) -> float:
    """Return the seconds that the encoder alone takes for the passages that were embedded: copies are embedded once."""
    with database.read() as session:
        found = session.execute(select(ChunkRow.heading, ChunkRow.text))
        texts = list(dict.fromkeys(f"{heading}\n{text}" if heading else text for heading, text in found))
    began = time.perf_counter()
    encoder.encode(texts, "document")
    return time.perf_counter() - began


def run(name: str, folder: Path | None, given: argparse.Namespace) -> dict[str, Any]:
    """Run one bench."""
    if name == "parse":
        return bench_parse(folder or DATA / "financebench" / "docs", given.runs)
    if name == "near":
        return bench_near(folder or HANDBOOK / "md", given.runs)
    if name == "whole":
        return bench_whole(folder or HANDBOOK / "md", given.runs, given.every)
    if name == "peers":
        files = handbook_files(folder or HANDBOOK.parent, given.every)
        return bench_peers(files, given.runs, given.encoder, given.beside)
    if name == "mixed":
        files = mixed_files(folder or DATA, given.every, given.pages)
        return bench_peers(files, given.runs, given.encoder, given.beside)
    if name == "dask":
        return bench_dask(folder or HANDBOOK.parent, given.every)
    return bench_folder(folder or DATA, given.megabytes, given.kills, given.ocr)


def main() -> None:
    """Run one benchmark and print its figures as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("bench", choices=("parse", "near", "whole", "peers", "mixed", "folder", "dask"))
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--every", type=int, default=1, help="take every n-th file only")
    arguments.add_argument("--encoder", choices=get_args(Embedding), default="none", help="peers: who embeds")
    arguments.add_argument("--beside", nargs="*", default=list(PEERS), choices=PEERS, help="peers: which of them")
    arguments.add_argument("--pages", type=int, default=30, help="mixed: leave out longer filings")
    arguments.add_argument("--megabytes", type=int, default=300)
    arguments.add_argument("--kills", type=int, default=5)
    arguments.add_argument("--ocr", action="store_true", help="folder: read scans too, 10 s a page")
    given = arguments.parse_args()
    sys.stdout.write(json.dumps(run(given.bench, given.folder, given), indent=2) + "\n")


if __name__ == "__main__":
    main()
