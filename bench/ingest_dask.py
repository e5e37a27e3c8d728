"""A local Dask cluster beside one process: the passages of both, told by hash, and how like their vectors are."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from bench.ingest_peers import SUFFIXES
from core.db.models import ChunkRow, Document, EmbeddingRow
from core.db.session import Database
from core.settings import load_settings
from ingest.report import IngestOptions
from ingest.run import ingest
from models.encoder import load_encoder

WORKERS = 2


def bench_dask(folder: Path, every: int) -> dict[str, Any]:
    """Ingest a folder in this process and on a cluster, and compare what the two stores hold."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)[::every]
    plain, seconds = _ingested(files, IngestOptions())
    spread, on_cluster = _ingested(files, IngestOptions(scheduler="local", workers=WORKERS))
    both = plain.keys() & spread.keys()
    return {
        "files": len(files),
        "passages": len(plain),
        "passages_on_the_cluster": len(spread),
        "in_one_only": len(plain.keys() ^ spread.keys()),
        "least_cosine": round(min((float(plain[key] @ spread[key]) for key in both), default=0.0), 6),
        "seconds": round(seconds, 1),
        "seconds_on_the_cluster": round(on_cluster, 1),
    }


def _ingested(files: list[Path], options: IngestOptions) -> tuple[dict[str, Any], float]:
    """Return the vector of each passage by the hash of its source, place, heading and text, and the run's seconds."""
    with tempfile.TemporaryDirectory() as home:
        settings = load_settings(Path(home))
        database = Database.open(settings)
        encoder = load_encoder(settings.embedder)
        report = ingest(files, options, database=database, settings=settings, encoder=encoder)
        rows = (
            select(Document.source, ChunkRow.ordinal, ChunkRow.heading, ChunkRow.text, EmbeddingRow.vector)
            .join(Document, Document.key == ChunkRow.document_key)
            .join(EmbeddingRow, EmbeddingRow.chunk_id == ChunkRow.id)
        )
        with database.read() as session:
            held = {
                hashlib.sha256("\0".join(map(str, key)).encode()).hexdigest(): np.frombuffer(vector, dtype="<f4")
                for *key, vector in session.execute(rows)
            }
        database.close()
    return held, report.seconds
