"""What a parser process is started with, and what it uses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def worker_environment(home: Path) -> dict[str, str]:
    """Return what a worker may know of ours: where programs and code are, and no secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TESSDATA_PREFIX") if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT"), "1")
    ours = {"PYTHONPATH": str(ROOT), "HOME": str(home), "TMPDIR": str(home / "tmp")}
    silent = {"HF_HUB_OFFLINE": "1", "ORT_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "true"}
    return kept | threads | ours | silent | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}


@dataclass(slots=True)
class Usage:
    """What a process and its children hold and have used."""

    resident_mb: float = 0.0
    worked_s: float = 0.0
    """Processor time."""
    waited_s: float = 0.0
    """Time in which they could have run and the machine was busy with others."""


def usage(pid: int) -> Usage:
    """Return what a process and its running children use; nothing where the system does not tell."""
    total = Usage()
    for one in (pid, *_children(pid)):
        try:
            # The name, in brackets, may hold anything; the fields begin after it.
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            pages = int(Path(f"/proc/{one}/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            continue
        total.resident_mb += pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        total.worked_s += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        total.waited_s += _waited_s(one)
    return total


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (OSError, ValueError):
        return []


def _waited_s(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
