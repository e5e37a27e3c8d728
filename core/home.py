"""Whether this process may work in a home: told before SQLite meets it, whose own word for it is a riddle."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from core.errors import HomeUnwritable


def make_home(home: Path) -> None:
    """Make the folder of a home where there is none.

    Raises:
        HomeUnwritable: it cannot be made, or what is in it may not be read and written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnwritable(f"cannot make the home {home}: {error.strerror}") from error
    for path in (home, home / "attest.db"):
        needed = os.R_OK | os.W_OK | (os.X_OK if path == home else 0)
        if path.exists() and not os.access(path, needed, effective_ids=os.access in os.supports_effective_ids):
            raise HomeUnwritable(f"{path} cannot be written: {_why(path)}")


def _why(path: Path) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "its file system is read-only"
    owner = path.stat()
    return f"it belongs to {_name(owner.st_uid)} (mode {owner.st_mode & 0o777:o}), and this is {_name(os.geteuid())}"


def _name(user: int) -> str:
    try:
        return f"user {pwd.getpwuid(user).pw_name}"
    except KeyError:  # as in a container
        return f"user {user}"
