"""Kill a working process again and again and look at what it left.

    python -m bench.kills --kills 500 --seed 1 [--json FILE]

Each life works on a home that earlier lives left (ingest, update, delete, purge, index snapshots, backup, restore,
repair) and dies by SIGKILL at a named failpoint or at a random moment. Afterwards: every acknowledged document is
there with its newest text, every acknowledged deletion holds, no document is torn, the words of what was purged are
in no file, `attest doctor --repair` leaves nothing wrong, and an index opened on what is left (snapshots and all)
equals one built from SQL alone. Any seed reproduces its lives' plans; the moment of a timed kill varies.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app import doctor_index as _preloaded  # noqa: F401  (imported before the forks)
from app.doctor import examine
from bench.kills_model import Home, plan, settle, write_files
from bench.victim import Life, index_rows, torn_documents
from core.blobs import STALE_S
from core.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "ingest", "retriever", "app")
LIVES_PER_HOME = 8
DOUBLED = "embedder"
"""The one check that cannot hold here: the settings name an encoder, and a double stands for it."""
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Set before NumPy is imported: a process with threads must not fork."""


def failpoints() -> list[str]:
    """Return the name of every failpoint in the product's source."""
    found = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            found |= set(re.findall(r'failpoint\("([a-z_.]+)"\)', path.read_text(encoding="utf-8")))
    return sorted(found)


def in_child(work: Callable[[int], None], **environment: str) -> tuple[int, int]:
    """Fork, do the work there and return (pid, the end of a pipe that reads what it acknowledges)."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    os.close(reader)
    status = 1
    try:
        os.environ.update(environment)
        work(writer)
        status = 0
    except BaseException:  # noqa: BLE001  the edge of a process: whatever it was, it is shown and counted
        traceback.print_exc()
    finally:
        os._exit(status)


def live(
    home: Home, steps: list[list[Any]], point: str | None, nth: int, after_s: float | None
) -> tuple[int, list[Any]]:
    """Let a process work until it is done or dies; return its status and what it acknowledged."""

    def work(writer: int) -> None:
        Life(home.settings, home.folder / "documents", home.folder / "copies", writer).run(steps)

    environment = {"ATTEST_FAILPOINT": f"{point}:{nth}"} if point else {}
    pid, reader = in_child(work, **environment)
    if after_s is not None:
        time.sleep(after_s)
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(reader, "rb") as lines:
        said = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return os.waitpid(pid, 0)[1], said


def inspect(home: Home) -> list[str]:
    """Look for torn documents, an index unlike its store, purged words, and anything the doctor cannot mend."""
    problems = [f"torn: {source}" for source in torn_documents(home.settings)]
    rows = index_rows(home.settings)
    bare = home.settings.model_copy(update={"home": home.folder / "bare"})
    bare = bare.model_copy(update={"storage": bare.storage.model_copy(update={"database_url": _url(home)})})
    if rows != index_rows(bare):
        problems.append("an index opened on the home differs from one built from SQL")
    _age_blobs(home.settings)
    examine(home.settings, repair=True)
    problems += [f"doctor: {r.name}: {r.detail}" for r in examine(home.settings) if not r.ok and r.name != DOUBLED]
    files = [path for path in (home.folder / "home").rglob("*") if path.is_file()]
    for path in files:
        words = set(re.findall(rb"w[0-9a-f]{10}", path.read_bytes()))
        if left := words & {word.encode() for word in home.forgotten}:
            problems.append(f"purged words in {path.name}: {sorted(left)[:2]}")
    return problems


def _age_blobs(settings: Settings) -> None:
    """Let the blobs look old: the doctor leaves young ones of no row to a running ingest, and here none is running."""
    long_ago = time.time() - 2 * STALE_S
    for path in settings.blobs.rglob("*"):
        os.utime(path, (long_ago, long_ago))


def _url(home: Home) -> Any:
    from pydantic import SecretStr

    return SecretStr(home.settings.database_url)


def _inspected(home: Home) -> list[str]:
    """Inspect in a process of its own, so that this one never holds a thread or a connection."""
    pid, reader = in_child(lambda writer: _send(writer, inspect(home)))
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(pid, 0)
    return json.loads(answer) if answer else ["the inspection itself failed"]


def _send(writer: int, problems: list[str]) -> None:
    os.write(writer, json.dumps(problems).encode())


def run(kills: int, seed: int, folder: Path, log: Callable[[str], None] = print) -> dict[str, Any]:
    """Kill until the number is reached and return what was counted; `problems` is empty when all is well."""
    points = failpoints()
    killed: Counter[str] = Counter()
    problems: list[str] = []
    usual_s, attempt, home = 1.0, 0, Home(folder / "0")
    started = time.monotonic()
    while killed.total() < kills:
        if attempt % LIVES_PER_HOME == 0:
            shutil.rmtree(home.folder, ignore_errors=True)
            home = Home(folder / str(attempt))
            home.folder.mkdir(parents=True)
        draw = random.Random(f"{seed}:{attempt}")
        turn, quiet = attempt - attempt // LIVES_PER_HOME, attempt % LIVES_PER_HOME == 0
        point = None if turn % 3 == 0 else points[(turn * 2 // 3) % len(points)]
        steps = [["ingest", write_files(draw, home, [])] for _ in range(3)] if quiet else plan(draw, home, point)
        stamp, before = home.stamp, time.monotonic()
        nth = 1 if turn < 2 * len(points) else draw.randint(1, 3)
        after_s = None if quiet or point is not None else draw.uniform(0, usual_s)
        status, said = live(home, steps, None if quiet else point, nth, after_s)
        if os.WIFSIGNALED(status):
            killed[point or "any moment"] += 1
        elif not quiet:
            usual_s = 0.8 * usual_s + 0.2 * (time.monotonic() - before)
        found: list[str] = [] if status in (0, signal.SIGKILL) else [f"the process failed by itself: {status}"]
        settle(home, steps, said, stamp, found)
        found += _inspected(home)
        problems += [f"seed {seed}:{attempt} {point}: {problem}" for problem in found]
        for problem in found:
            log(f"seed {seed}:{attempt} {point} {steps}: {problem}")
        attempt += 1
    report = {"kills": killed.total(), "lives": attempt, "seed": seed, "by_point": dict(sorted(killed.items()))}
    never = sorted(set(failpoints()) - set(killed))
    return {**report, "never_hit": never, "problems": problems, "seconds": round(time.monotonic() - started, 1)}


def main() -> None:
    """Read the command line, run, print the report."""
    if missing := [name for name in ONE_THREAD if name not in os.environ]:
        environment = {**os.environ, **dict.fromkeys(missing, "1")}
        os.execve(sys.executable, [sys.executable, "-m", "bench.kills", *sys.argv[1:]], environment)
    parser = argparse.ArgumentParser(description="Kill a working process again and again.")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="attest-kills-") as folder:
        report = run(arguments.kills, arguments.seed, Path(folder), lambda line: print(line, file=sys.stderr))
    text = json.dumps(report, indent=1)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    sys.exit(1 if report["problems"] else 0)


if __name__ == "__main__":
    main()
