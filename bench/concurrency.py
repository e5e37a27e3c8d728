"""Readers, writers and a deleter on one home at once: no error, whole histories, and searches that do not wait.

    python -m bench.concurrency [--seconds 60] [--json FILE]

Eight threads of one process search without pause, as those of an API server do; two processes write documents and one
deletes them. The same readers on the same store while nobody writes are the measure of idle. Bar: no error, every
document's history whole, no hit after its deletion was acknowledged, p95 at most 2.5 times the idle one.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from app.doctor import examine
from bench.kills import DOUBLED
from bench.victim import WordEncoder
from core.db.models import Document, DocumentVersion
from core.db.session import Database
from core.settings import Settings, load_settings
from core.types import OPERATOR, Query
from ingest.documents import delete_document, list_documents
from ingest.report import IngestOptions, TextRecord
from ingest.run import ingest_texts
from retriever.retriever import Retriever

READERS, WRITERS = 8, 2
DIMENSION = 384
DOCUMENTS = 2000
"""Documents there from the start, so that a search has something to do."""
WRITE_PAUSE_S = 0.05
BAR = 2.5


@dataclass
class Seen:
    """What the readers met."""

    times_ms: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def put(database: Database, settings: Settings, source: str, number: int) -> None:
    """Write a document, or its next version."""
    words = " ".join(f"word{random.Random(f'{source}{n}').randrange(500)}" for n in range(30))
    record = TextRecord(source, f"{source} says number {number}. {words}")
    encoder: Any = WordEncoder(DIMENSION)
    ingest_texts([record], IngestOptions(), database=database, settings=settings, encoder=encoder)


def fill(database: Database, settings: Settings) -> None:
    """Put the documents in that are there from the start."""
    draw, encoder = random.Random(1), WordEncoder(DIMENSION)
    records = [
        TextRecord(f"/there{n}", " ".join(f"word{draw.randrange(500)}" for _ in range(60)) + f" {n}.")
        for n in range(DOCUMENTS)
    ]
    ingest_texts(records, IngestOptions(), database=database, settings=settings, encoder=encoder)  # type: ignore[arg-type]


def write(settings: Settings, stop: threading.Event, seed: int) -> int:
    """Write documents and versions of them until told to stop; return how many."""
    database, draw, count = Database.open(settings), random.Random(seed), 0
    while not stop.wait(WRITE_PAUSE_S):
        put(database, settings, f"/d{draw.randrange(40)}", draw.randrange(10**6))
        count += 1
    database.close()
    return count


def delete(settings: Settings, stop: threading.Event, seed: int) -> int:
    """Write documents and delete them again, saying on standard output which and when; return how many."""
    database, draw, count = Database.open(settings), random.Random(seed), 0
    while not stop.wait(WRITE_PAUSE_S):
        source = f"/gone{draw.randrange(10**9)}"
        put(database, settings, source, draw.randrange(50))
        row = next(row for row in list_documents(database, OPERATOR) if row["source"] == source)
        stop.wait(WRITE_PAUSE_S)
        delete_document(database, row["id"], OPERATOR)
        print(json.dumps({"gone": row["id"], "at": time.monotonic()}), flush=True)
        count += 1
    database.close()
    return count


def read(retriever: Retriever, seconds: float, gone: dict[str, float]) -> Seen:
    """Search with all readers for a while; `gone` names what was deleted, and when that was acknowledged."""
    seen, until = Seen(), time.monotonic() + seconds

    def one(seed: int) -> None:
        draw = random.Random(seed)
        while (begun := time.monotonic()) < until:
            known = dict(gone)
            try:
                hits = retriever.retrieve(
                    Query(f"number {draw.randrange(50)} word{draw.randrange(500)}"), OPERATOR
                ).hits
            except Exception as error:  # noqa: BLE001  whatever it is, the report shows it
                seen.problems.append(repr(error)[:300])
                return
            seen.times_ms.append((time.monotonic() - begun) * 1000)
            late = [hit for hit in hits if known.get(hit.chunk.document_id, begun) < begun]
            seen.problems.extend(f"{hit.source} was shown after its deletion" for hit in late)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def histories(database: Database) -> list[str]:
    """Return the documents whose versions are not numbered without a gap, each but the last one superseded."""
    torn = []
    with database.read() as session:
        for document in session.scalars(select(Document).where(Document.state == "live")):
            query = select(DocumentVersion).where(DocumentVersion.document_key == document.key)
            versions = session.scalars(query.order_by(DocumentVersion.version)).all()
            open_ends = [one.superseded_at is None for one in versions]
            if [one.version for one in versions] != list(range(1, document.version + 1)) or open_ends.count(True) != 1:
                torn.append(f"the history of {document.source} is torn")
    return torn


def run(folder: Path, seconds: float) -> dict[str, Any]:
    """Measure idle, then under writers and the deleter; `problems` is empty when all is well."""
    settings = load_settings(folder)
    database = Database.open(settings)
    fill(database, settings)
    retriever = Retriever.open(database, settings, WordEncoder(DIMENSION))  # type: ignore[arg-type]
    read(retriever, 1.0, {})  # caches fill
    idle = read(retriever, max(2.0, seconds / 4), {})
    others = [_start(folder, "write", number) for number in range(WRITERS)] + [_start(folder, "delete", WRITERS)]
    gone: dict[str, float] = {}
    counts = [0] * len(others)
    listeners = [threading.Thread(target=_listen, args=(other, gone, counts, n)) for n, other in enumerate(others)]
    for listener in listeners:
        listener.start()
    busy = read(retriever, seconds, gone)
    for other in others:
        assert other.stdin is not None
        other.stdin.close()
    for listener, other in zip(listeners, others, strict=True):
        listener.join()
        other.wait()
    retriever.close()
    problems = idle.problems + busy.problems + histories(database)
    problems += [f"a writer ended with {other.returncode}" for other in others if other.returncode]
    problems += [f"doctor: {r.name}: {r.detail}" for r in examine(settings) if not r.ok and r.name != DOUBLED]
    database.close()
    p95 = {name: float(np.percentile(seen.times_ms, 95)) for name, seen in (("idle", idle), ("busy", busy))}
    return {
        "seconds": seconds,
        "searches": len(busy.times_ms),
        "written": sum(counts[:WRITERS]),
        "deleted": counts[WRITERS],
        "p95_ms": {name: round(value, 1) for name, value in p95.items()},
        "p95_ratio": round(p95["busy"] / p95["idle"], 2),
        "problems": problems,
    }


def _start(folder: Path, role: str, seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.concurrency", "--role", role, "--seed", str(seed), "--folder", str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _listen(other: subprocess.Popen[str], gone: dict[str, float], counts: list[int], number: int) -> None:
    assert other.stdout is not None
    for line in other.stdout:
        said = json.loads(line)
        if "gone" in said:
            gone[said["gone"]] = time.monotonic()
        else:
            counts[number] = said["count"]


def _work(folder: Path, role: str, seed: int) -> None:
    """Be a writer or the deleter until standard input ends."""
    stop = threading.Event()

    def until_told() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=until_told, daemon=True).start()
    count = (write if role == "write" else delete)(load_settings(folder), stop, seed)
    print(json.dumps({"count": count}), flush=True)


def main() -> None:
    """Read the command line, run, print the report."""
    parser = argparse.ArgumentParser(description="Read, write and delete at once.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--role", choices=["all", "write", "delete"], default="all", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role != "all":
        _work(arguments.folder, arguments.role, arguments.seed)
        return
    with tempfile.TemporaryDirectory(prefix="attest-concurrency-") as folder:
        report = run(Path(folder), arguments.seconds)
    text = json.dumps(report, indent=1)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    sys.exit(1 if report["problems"] or report["p95_ratio"] > BAR else 0)


if __name__ == "__main__":
    main()
