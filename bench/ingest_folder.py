"""A large mixed folder: peak memory of all processes together, and SIGKILL in the middle of it.

The folder is made of the data at hand: every readable file of the format set, the handbooks, and copies of the filings
and big tables and texts until it has the size wanted. Vectors are made by an encoder that costs nothing, beside the
real one, loaded and warmed up so that its memory counts: embedding 300 MB takes hours on two cores.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import select

from core.db.models import Document
from core.db.session import Database
from core.settings import load_settings
from ingest.report import IngestOptions, Silent
from ingest.run import ingest

SAMPLE_S = 0.25
SEED = 11
WARM_TEXTS = 64
UNREADABLE = ("bomb", "huge_")


def make_folder(target: Path, data: Path, megabytes: int) -> int:
    """Fill a folder with files of all kinds up to a size; return how many."""
    random.seed(SEED)
    for name in ("formats/files", "handbook"):
        shutil.copytree(data / name, target / name, ignore=shutil.ignore_patterns(*(f"{n}*" for n in UNREADABLE)))
    rows = "".join(
        f"{n},item {n},{random.random():.6f},{random.choice(('new', 'used', 'broken'))}\n" for n in range(400_000)
    )
    (target / "stock.csv").write_text("number,name,price,state\n" + rows)
    words = [f"word{n}" for n in range(5000)]
    (target / "log.txt").write_text(" ".join(random.choices(words, k=3_000_000)))
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    filings = sorted((data / "financebench" / "docs").glob("*.pdf"))
    copy = 0
    while size < megabytes * 2**20:
        source = filings[copy % len(filings)]
        content = source.read_bytes() + f"\n% copy {copy}\n".encode()  # other bytes: parsed again, each time
        folder = target / f"filings-{copy // len(filings)}"
        folder.mkdir(exist_ok=True)
        (folder / source.name).write_bytes(content)
        size, copy = size + len(content), copy + 1
    return sum(1 for path in target.rglob("*") if path.is_file())


def bench_folder(data: Path, megabytes: int, kills: int, ocr: bool = False) -> dict[str, Any]:
    """Ingest a large folder, killed several times and then to its end; watch the memory of all processes."""
    with tempfile.TemporaryDirectory(prefix="attest-folder-") as scratch:
        folder, home = Path(scratch) / "docs", Path(scratch) / "home"
        files = make_folder(folder, data, megabytes)
        random.seed(SEED)
        rounds = [
            _round(home, folder, Path(scratch) / f"log{n}", 10.0 + 30.0 * random.random(), ocr) for n in range(kills)
        ]
        last = _round(home, folder, Path(scratch) / "log", None, ocr)
    every = [*rounds, last]
    return {
        "megabytes": megabytes,
        "files": files,
        "kills": kills,
        "ocr": ocr,
        "committed_when_killed": [found["committed"] for found in rounds],
        "parsed_again_though_committed": sum(found["parsed_again"] for found in every),
        "peak_mb_all_processes": max(found["peak_mb"] for found in every),
        "last_run": last["report"],
    }


def _round(home: Path, folder: Path, log: Path, kill_after_s: float | None, ocr: bool) -> dict[str, Any]:
    before = _committed(home)
    command = [sys.executable, "-m", "bench.ingest_folder", str(home), str(folder), str(log), *(["ocr"] if ocr else [])]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, start_new_session=True)
    peak: list[float] = [0.0]
    watching = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watching.start()
    if kill_after_s is not None:
        _wait_for(log)
        time.sleep(kill_after_s)
        os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers must notice
    out, _ = process.communicate()
    watching.join()
    parsed = set(log.read_text().splitlines()) if log.exists() else set()
    return {
        "committed": len(_committed(home)),
        "parsed_again": len(parsed & before),
        "peak_mb": round(peak[0]),
        "report": json.loads(out) if kill_after_s is None else None,
    }


def _wait_for(log: Path) -> None:
    while not log.exists():
        time.sleep(0.2)


def _committed(home: Path) -> set[str]:
    """Return the sources in the store but those found inside others, whose container may still be open."""
    if not home.exists():
        return set()
    database = Database.open(load_settings(home))
    with database.read() as session:
        found = {source for source in session.scalars(select(Document.source)) if "!/" not in source}
    database.close()
    return found


def _watch(process: subprocess.Popen[bytes], peak: list[float]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], sum(_resident_mb(pid) for pid in _family(process.pid)))
        time.sleep(SAMPLE_S)


def _family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found, left = [], [pid]
    while left:
        one = left.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                left += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def _resident_mb(pid: int) -> float:
    """Return a process's share of resident memory; what several hold together is counted once."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


class _Log(Silent):
    """Writes down every source that was parsed."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    def parsed(self, source: str) -> None:
        """Note it at once: the process may be killed."""
        self._file.write(source + "\n")


def main() -> None:
    """Be the process that is killed."""
    from bench.ingest_peers import NoEncoder
    from models.encoder import load_encoder

    home, folder, log = map(Path, sys.argv[1:4])
    settings = load_settings(home)
    encoder = load_encoder(settings.embedder)
    encoder.encode(["a passage of many words " * 60] * WARM_TEXTS, "document")
    settings = settings.model_copy(update={"ingest": settings.ingest.model_copy(update={"ocr": "ocr" in sys.argv[4:]})})
    database = Database.open(settings)
    free: Any = NoEncoder(encoder)
    report = ingest([folder], IngestOptions(), database=database, settings=settings, encoder=free, progress=_Log(log))
    database.close()
    kinds: dict[str, int] = {}
    for failure in report.failed:
        kinds[failure.error] = kinds.get(failure.error, 0) + 1
    counts = {name: getattr(report, name) for name in ("seen", "added", "unchanged", "duplicates", "chunks", "pages")}
    print(json.dumps(counts | {"failed": kinds, "seconds": round(report.seconds, 1)}))


if __name__ == "__main__":
    main()
