"""Let every file operation of one ingest fail in turn, and look at what is left.

    python -m bench.faults [--every 1] [--first 1] [--json FILE]

For each kind (disk full, input/output error, half a write, failed flush) and each i: a copy of a home takes in a new
and a changed document while its i-th file operation under the home fails (a library put in front of libc does it, so
SQLite's own operations count too). It must end well or with an error of ours; the store must be whole; the same
ingest again, on a disk that works, must succeed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from app.doctor import examine
from bench.kills import DOUBLED, ONE_THREAD, in_child
from bench.victim import WordEncoder, contents, torn_documents
from core.db.session import Database
from core.errors import AttestError
from core.settings import Settings, load_settings
from ingest.report import IngestOptions
from ingest.run import ingest

KINDS = ("enospc", "eio", "short", "fsync")
SOURCE = Path(__file__).with_name("faults.c")
OLD, NEW, OTHER = "The old text of the policy.", "The new text of the policy.", "Another document altogether."


def build_library(folder: Path) -> Path:
    """Compile the library that fails on command."""
    library = folder / "faults.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return library


def take_in(settings: Settings, documents: Path) -> dict[str, Any]:
    """Ingest the folder; return what failed, by the name of its error, and what was said of it."""
    database = Database.open(settings)
    try:
        report = ingest(
            [documents],
            IngestOptions(workers=1),
            database=database,
            settings=settings,
            encoder=WordEncoder(),  # type: ignore[arg-type]
        )
    finally:
        database.close()
    said = [f"{Path(failure.source).name}: {failure.error}: {failure.message}" for failure in report.failed]
    return {"failed": sorted({failure.error for failure in report.failed}), "said": said}


def attempt(home: Path, documents: Path, kind: str, at: int) -> dict[str, Any]:
    """Ingest in a child whose `at`-th file operation fails; return how it ended."""

    def work(writer: int) -> None:
        library = ctypes.CDLL(None)
        library.attest_fault(str(home).encode(), kind.encode(), at)
        try:
            ended: dict[str, Any] = take_in(load_settings(home), documents)
        except AttestError as error:
            ended = {"error": error.kind}
        except Exception as error:  # noqa: BLE001  what is looked for: an error that is not ours
            ended = {"foreign": f"{type(error).__name__}: {error}"[:300]}
        os.write(writer, json.dumps({**ended, "seen": library.attest_fault_count()}).encode())

    return _answer(work)


def look(home: Path, documents: Path) -> list[str]:
    """Check the store as it was left, then ingest again on a disk that works and check once more."""

    def work(writer: int) -> None:
        settings, problems = load_settings(home), []
        there = contents(settings)
        if there.get("policy.txt") not in (OLD, NEW) or there.get("other.txt") not in (None, OTHER):
            problems.append(f"left with {there}")
        problems += [f"torn: {source}" for source in torn_documents(settings)]
        # a run whose end could not be recorded is settled by the next one, which comes now
        first = [r for r in examine(settings) if not r.ok and r.name not in (DOUBLED, "runs")]
        problems += [f"doctor: {r.name}: {r.detail}" for r in first]
        problems += [f"the second try failed: {said}" for said in take_in(settings, documents)["said"]]
        if contents(settings) != {"policy.txt": NEW, "other.txt": OTHER}:
            problems.append(f"the second try left {contents(settings)}")
        problems += [f"then doctor: {r.name}: {r.detail}" for r in examine(settings) if not r.ok and r.name != DOUBLED]
        os.write(writer, json.dumps({"problems": problems}).encode())

    return list(_answer(work).get("problems", ["the inspection failed"]))


def _answer(work: Any) -> dict[str, Any]:
    pid, reader = in_child(work)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(pid, 0)
    return dict(json.loads(answer)) if answer else {"foreign": "the process died"}


def run(folder: Path, every: int = 1, first: int = 1) -> dict[str, Any]:
    """Try every `every`-th operation of each kind from the `first` on; `problems` is empty when all is well."""
    started = time.monotonic()
    documents, template = folder / "documents", folder / "template"
    documents.mkdir()
    (documents / "policy.txt").write_text(OLD, encoding="utf-8")
    _answer(lambda writer: os.write(writer, json.dumps(take_in(load_settings(template), documents)).encode()) and None)
    (documents / "policy.txt").write_text(NEW, encoding="utf-8")
    (documents / "other.txt").write_text(OTHER, encoding="utf-8")
    problems: list[str] = []
    operations: dict[str, int] = {}
    tried = 0
    endings: Counter[str] = Counter()
    for kind in KINDS:
        shutil.copytree(template, folder / "count")
        operations[kind] = int(attempt(folder / "count", documents, kind, 0)["seen"])
        shutil.rmtree(folder / "count")
        for at in range(first, operations[kind] + 1, every):
            home = folder / f"{kind}{at}"
            shutil.copytree(template, home)
            ended = attempt(home, documents, kind, at)
            found = [f"ended with {ended['foreign']}"] if "foreign" in ended else []
            endings[ended.get("error") or ",".join(ended.get("failed", [])) or "well"] += 1
            problems += [f"{kind} {at}: {problem}" for problem in found + look(home, documents)]
            tried += 1
            shutil.rmtree(home)
    seconds = round(time.monotonic() - started, 1)
    return {"operations": operations, "tried": tried, "endings": endings, "problems": problems, "seconds": seconds}


def main() -> None:
    """Read the command line, run under the library, print the report."""
    parser = argparse.ArgumentParser(description="Let file operations fail.")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="Where to begin: several processes share the work.")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="attest-faults-") as name:
        if not hasattr(ctypes.CDLL(None), "attest_fault"):
            environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "LD_PRELOAD": str(build_library(Path(name)))}
            command = [sys.executable, "-m", "bench.faults", *sys.argv[1:]]
            sys.exit(subprocess.run(command, env=environment, check=False).returncode)
        report = run(Path(name), arguments.every, arguments.first)
    text = json.dumps(report, indent=1)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    sys.exit(1 if report["problems"] else 0)


if __name__ == "__main__":
    main()
