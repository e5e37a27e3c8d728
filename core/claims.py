"""Folders that belong to a process as long as it lives, told by a lock that the system drops with it.

A process id would not do: containers that share a home each number their processes from one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import IO

from core.errors import StoreUnavailable

LOCK = "lock"
HALF_MADE_S = 3600.0
"""A folder that is still without its name after so long was being made by a process that died."""


class Claim:
    """The folder `parent/<name>/`, held until `release` or the end of the process.

    Raises:
        StoreUnavailable: the disk refused.
    """

    def __init__(self, parent: Path, name: str | None = None) -> None:
        half_made = parent / f".{uuid.uuid4().hex}"
        try:
            half_made.mkdir(parents=True)
            self._lock = _try_lock(half_made)
            # it gets its name when it is held already, so that nobody takes it for a dead one's
            self.folder = half_made.rename(parent / (name or f"{os.getpid()}-{uuid.uuid4().hex[:8]}"))
        except OSError as error:
            shutil.rmtree(half_made, ignore_errors=True)
            raise StoreUnavailable(f"cannot work in {parent}: {error.strerror or error}") from error

    def release(self) -> None:
        """Delete the folder and let the lock go."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def abandoned(parent: Path) -> list[Path]:
    """Return the folders below `parent` whose process has died."""
    if not parent.is_dir():
        return []
    return [folder for folder in sorted(parent.iterdir()) if _is_abandoned(folder)]


def sweep(parent: Path) -> None:
    """Remove the folders of processes that have died."""
    for folder in abandoned(parent):
        shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    try:
        if folder.name.startswith("."):
            return time.time() - folder.stat().st_mtime > HALF_MADE_S
        lock = _try_lock(folder) if folder.is_dir() else None
    except FileNotFoundError:
        return False  # its owner has just removed it
    if lock is None:
        return False
    lock.close()
    return True


def _try_lock(folder: Path) -> IO[str] | None:
    """Return the open lock of a folder, `None` where its owner lives."""
    lock = (folder / LOCK).open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
