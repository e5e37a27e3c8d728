"""A process's own folder for the index files it changes; emptied when its process is gone."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from pathlib import Path
from typing import IO


class Workplace:
    """`indexes/work/<name>/`, held by a lock as long as the process lives."""

    def __init__(self, indexes: Path) -> None:
        root = indexes / "work"
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        self.folder = root / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.folder.mkdir()
        self._lock = _try_lock(self.folder)

    def fresh(self) -> Path:
        """Return a new empty folder's path inside; the caller makes it."""
        return self.folder / uuid.uuid4().hex[:8]

    def close(self) -> None:
        """Delete everything and let the lock go."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _try_lock(folder: Path) -> IO[str] | None:
    """Return the open lock of a folder, `None` where its owner lives."""
    lock = (folder / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _sweep(root: Path) -> None:
    """Remove the folders of processes that died."""
    for folder in root.iterdir():
        if not (folder / "lock").is_file():
            continue  # just being made
        lock = _try_lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            lock.close()
