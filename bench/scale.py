"""How a large store starts, follows and fits: synthetic passages, random unit vectors.

    python -m bench.scale [--chunks 1000000] [--changes 10000] [--folder DIR] [--json FILE]

Measured, each in a process of its own: building the first snapshot from SQL; starting from that snapshot; resident
memory after the start (and its peak) and after all the rest; a dense and a lexical search; replaying changes (half of
them removals).
Bars at a million passages of 384 dimensions: start ≤ 20 s, replay of 10,000 ≤ 5 s, resident ≤ 1.5 × vectors + 600 MB.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from bench.victim import WordEncoder
from core.clock import now
from core.db.session import Database
from core.settings import Settings, load_settings
from core.types import OPERATOR, Query
from retriever import follower as following
from retriever.retriever import Retriever

DIMENSION = 384
CHUNKS_A_DOCUMENT = 100
WORDS = [f"word{number}" for number in range(5000)]
BATCH = 5000


def make_store(settings: Settings, chunks: int) -> None:
    """Fill a store without ingesting: rows as ingestion leaves them, flushed once at the end."""
    Database.open(settings).close()
    moment = now().strftime("%Y-%m-%d %H:%M:%S.%f")
    with closing(sqlite3.connect(settings.home / "attest.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO collections (id, name, created_at) VALUES (1, 'default', ?)", [moment])
        connection.execute(
            "INSERT INTO generations (id, embedder, revision, dimension, chunker, state, created_at) "
            "VALUES (1, 'double', '1', ?, '{}', 'live', ?)",
            [DIMENSION, moment],
        )
        for key in range(1, chunks // CHUNKS_A_DOCUMENT + 1):
            _insert_document(connection, key, moment)
        for start in range(0, chunks, BATCH):
            insert_chunks(connection, start + 1, min(BATCH, chunks - start))
        connection.execute("COMMIT")


def _insert_document(connection: sqlite3.Connection, key: int, moment: str) -> None:
    connection.execute(
        "INSERT INTO documents (key, id, collection_id, source, title, state, version, attributes, own_access, "
        "created_at, updated_at) VALUES (?, ?, 1, ?, ?, 'live', 1, '{}', 0, ?, ?)",
        [key, f"d{key}", f"/d{key}", f"Document {key}", moment, moment],
    )
    connection.execute(
        "INSERT INTO document_versions (key, document_key, version, blob_sha256, text_sha256, text, characters, pages, "
        "media_type, parser, report, created_at) VALUES (?, ?, 1, '', ?, '', 0, '[]', 'text/plain', 'none', '{}', ?)",
        [key, key, f"{key:064x}", moment],
    )


def insert_chunks(connection: sqlite3.Connection, first: int, count: int) -> None:
    """Insert passages with vectors and their log entries."""
    draw = random.Random(first)
    numbers = np.random.default_rng(first).standard_normal((count, DIMENSION), dtype=np.float32)
    numbers /= np.linalg.norm(numbers, axis=1, keepdims=True)
    ids = range(first, first + count)
    connection.executemany(
        'INSERT INTO chunks (id, generation_id, version_key, document_key, ordinal, start, "end", heading, text) '
        "VALUES (?, 1, ?, ?, ?, 0, 0, '', ?)",
        [
            (one, (one - 1) // CHUNKS_A_DOCUMENT + 1, (one - 1) // CHUNKS_A_DOCUMENT + 1, one, " ".join(words))
            for one, words in zip(ids, _sentences(draw, count), strict=True)
        ],
    )
    rows = zip(ids, (row.tobytes() for row in numbers), strict=True)
    connection.executemany("INSERT INTO embeddings (chunk_id, vector) VALUES (?, ?)", rows)
    connection.executemany("INSERT INTO changes (generation_id, op, chunk_id) VALUES (1, 'add', ?)", zip(ids))


def _sentences(draw: random.Random, count: int) -> Iterator[list[str]]:
    for _ in range(count):
        yield draw.choices(WORDS, k=20)


def start(settings: Settings, changes: int) -> dict[str, Any]:
    """Open a retriever on the store as it is, then time searches and a replay of changes."""
    database, encoder = Database.open(settings), WordEncoder(DIMENSION)
    before = time.perf_counter()
    retriever = Retriever.open(database, settings, encoder, follow=False)  # type: ignore[arg-type]
    opened = time.perf_counter() - before
    resident = _status("VmRSS")
    found = {"start_s": round(opened, 2), "resident_mb": resident, "peak_mb": _status("VmHWM")}
    for mode in ("dense", "lexical"):
        times = []
        for number in range(20):
            text = f"word{number * 7} word{number * 11}"
            begin = time.perf_counter()
            retriever.retrieve(Query(text), OPERATOR, mode=mode)  # type: ignore[arg-type]
            times.append((time.perf_counter() - begin) * 1000)
        found[f"{mode}_p50_ms"] = round(statistics.median(times[1:]), 1)
    if changes:
        _change(settings, changes)
        before = time.perf_counter()
        retriever.sync()
        found["replay_s"] = round(time.perf_counter() - before, 2)
    found["resident_at_end_mb"] = _status("VmRSS")
    retriever.close()
    database.close()
    return found


def _change(settings: Settings, changes: int) -> None:
    """Log removals of the oldest passages and add as many new ones."""
    with closing(sqlite3.connect(settings.home / "attest.db", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        removed = connection.execute("SELECT id FROM chunks ORDER BY id LIMIT ?", [changes // 2]).fetchall()
        connection.executemany("INSERT INTO changes (generation_id, op, chunk_id) VALUES (1, 'remove', ?)", removed)
        documents = connection.execute("SELECT max(key) FROM documents").fetchone()[0]
        first = connection.execute("SELECT max(id) FROM chunks").fetchone()[0] + 1
        moment = now().strftime("%Y-%m-%d %H:%M:%S.%f")
        for key in range(documents + 1, documents + changes // 2 // CHUNKS_A_DOCUMENT + 2):
            _insert_document(connection, key, moment)
        insert_chunks(connection, first, changes - changes // 2)
        connection.execute("COMMIT")


def _status(name: str) -> int:
    """Return a line of /proc/self/status in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) // 1024
    return 0


def _in_process(folder: Path, changes: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.scale", "--phase", "start", "--folder", str(folder)]
    done = subprocess.run([*command, "--changes", str(changes)], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def run(folder: Path, chunks: int, changes: int) -> dict[str, Any]:
    """Make the store, then measure in fresh processes."""
    before = time.perf_counter()
    make_store(load_settings(folder), chunks)
    made = time.perf_counter() - before
    first = _in_process(folder, 0)
    second = _in_process(folder, changes)
    vectors_mb = chunks * DIMENSION * 4 / 1e6
    return {
        "chunks": chunks,
        "vectors_mb": round(vectors_mb),
        "allowed_resident_mb": round(1.5 * vectors_mb + 600),
        "made_s": round(made, 1),
        "first_build_from_sql": first,
        "start_from_snapshot": second,
        "changes": changes,
        "snapshots": len(list((folder / "indexes" / "g1").glob("v*"))),
    }


def main() -> None:
    """Read the command line, run, print the report."""
    parser = argparse.ArgumentParser(description="Measure a large store.")
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--phase", choices=["all", "start"], default="all")
    arguments = parser.parse_args()
    if arguments.phase == "start":
        following.PUBLISH_SHARE = 0.1
        print(json.dumps(start(load_settings(arguments.folder), arguments.changes)))
        return
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="attest-scale-"))
    try:
        text = json.dumps(run(folder, arguments.chunks, arguments.changes), indent=1)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
