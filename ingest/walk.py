"""Paths → the files below them, one by one, in a stable order; links lead nowhere outside."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import NotFound

_LEFT_OUT = {"thumbs.db", "desktop.ini", "__macosx", "node_modules", "__pycache__"}
_UNFINISHED = ("~", ".tmp", ".part", ".partial", ".crdownload", ".swp", ".swx")
"""How the names end of what editors and browsers keep beside a file while they write it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to ingest and the name it is known by for good."""

    source: str
    path: Path
    name: str
    parent: str | None = None
    """The source of the file it was found in."""
    depth: int = 0
    found: bool = False
    """Whether it was come upon in a folder, not named itself."""


def walk(paths: Sequence[Path | str | Source]) -> Iterator[Source]:
    """Yield every file at or below the paths, sorted, each once; hidden, lock, backup, half-loaded ones are left out.

    What is named itself is taken whatever its name. A `Source` stands for itself: a file that has a name of its own,
    such as an upload.

    Raises:
        NotFound: a path does not exist.
    """
    seen: set[str] = set()
    for given in paths:
        if isinstance(given, Source):
            seen.add(given.source)
            yield given
            continue
        path = Path(given).expanduser()
        if not path.exists():
            raise NotFound(f"no such file or folder: {given}")
        root = path.resolve()
        found = root.is_dir()
        for file in _below(root) if found else [root]:
            source = str(file)
            if source not in seen:
                seen.add(source)
                yield Source(source, file, file.name, found=found)


def _below(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not _ignored(name))
        for name in sorted(names):
            path = Path(folder) / name
            if _ignored(name) or (path.is_symlink() and not _inside(path, root)):
                continue
            if path.is_file() or not path.exists():
                yield path


def _ignored(name: str) -> bool:
    lower = name.lower()
    locked = lower.startswith((".", "~$")) or (lower.startswith("#") and lower.endswith("#"))
    return locked or lower.endswith(_UNFINISHED) or lower in _LEFT_OUT


def _inside(link: Path, root: Path) -> bool:
    """Tell whether a link ends inside the folder that is being read."""
    return link.resolve().is_relative_to(root)
