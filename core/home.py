"""The folder of a home: whether this process may work in it, who else may read it, what lies there beside the store.

A home that cannot be used is told before SQLite meets it, whose own word for it is a riddle.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import HomeUnwritable

FITTED = ("calibration.json", "glossary.txt", "adapters", "tasks")
"""What a home holds beside documents: fitted, trained or written for it."""
OTHERS = 0o007


def make_home(home: Path) -> None:
    """Make the folder of a home where there is none, for its owner alone.

    Raises:
        HomeUnwritable: it cannot be made, or what is in it may not be read and written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise HomeUnwritable(f"cannot make the home {home}: {error.strerror}") from error
    for path in (home, home / "attest.db"):
        needed = os.R_OK | os.W_OK | (os.X_OK if path == home else 0)
        if path.exists() and not os.access(path, needed, effective_ids=os.access in os.supports_effective_ids):
            raise HomeUnwritable(f"{path} cannot be written: {_why(path)}")


@contextmanager
def private_files(home: Path) -> Iterator[None]:
    """Let what this process writes be read by nobody else, but for the group that the home itself lets in."""
    try:
        group = home.stat().st_mode & 0o070
    except OSError:
        group = 0
    before = os.umask(0o077 & ~group)
    try:
        yield
    finally:
        os.umask(before)


def open_to_everybody(home: Path) -> bool:
    """Say whether every user of this machine may reach what is in a home."""
    if not home.stat().st_mode & OTHERS:
        return False
    return all(folder.stat().st_mode & 0o001 for folder in home.resolve().parents)


def belongs_to(path: Path) -> str:
    """Return whose a file or folder is, its mode, and who asks."""
    owner = path.stat()
    return f"it belongs to {_name(owner.st_uid)} (mode {owner.st_mode & 0o777:o}), and this is {_name(os.geteuid())}"


def _why(path: Path) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "its file system is read-only"
    return belongs_to(path)


def _name(user: int) -> str:
    try:
        return f"user {pwd.getpwuid(user).pw_name}"
    except KeyError:  # as in a container
        return f"user {user}"
