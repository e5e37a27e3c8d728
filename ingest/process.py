"""What a parser process is started with, and how much memory it holds."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def worker_environment(home: Path) -> dict[str, str]:
    """Return what a worker may know of ours: where programs and code are, and no secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TESSDATA_PREFIX") if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT"), "1")
    ours = {"PYTHONPATH": str(ROOT), "HOME": str(home), "TMPDIR": str(home / "tmp"), "HF_HUB_OFFLINE": "1"}
    return kept | threads | ours | {"PYTHONDONTWRITEBYTECODE": "1", "DO_NOT_TRACK": "true", "PYTHONUTF8": "1"}


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB, 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
