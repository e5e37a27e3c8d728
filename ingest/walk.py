"""Paths → the files below them, one by one, in a stable order, and what is left out; links lead nowhere outside."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import InvalidInput, NotFound, SourceUnavailable
from ingest.names import why_no_document


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


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or a whole folder that lies below a path and is not looked at."""

    source: str
    """Of a folder, with a slash at its end."""
    reason: str
    shut: bool = False
    """Whether it is a folder that could not be opened: what lies in it may be documents."""


_NO_FILE = "no file: a pipe, a socket or a device"
OWN_DATA = "the data folder of Attest itself"


def _unheard(_: LeftOut) -> None:
    """Tell nobody."""


def walk(
    paths: Sequence[Path | str | Source],
    left_out: Callable[[LeftOut], None] = _unheard,
    home: Path | None = None,
) -> Iterator[Source]:
    """Yield every file at or below the paths, sorted, each once; hidden, lock, backup, half-loaded ones are left out.

    What is named itself is taken whatever its name. A `Source` stands for itself: a file that has a name of its own,
    such as an upload. `left_out` is told of each file or folder that is passed over, and why. The `home` is one of
    them: originals of documents lie in it, those of deleted ones and of others' too.

    Raises:
        NotFound: a path does not exist.
        InvalidInput: a path is neither a file nor a folder.
        SourceUnavailable: a path cannot be reached.
    """
    seen: set[str] = set()
    home = home.resolve() if home is not None else None
    for given in paths:
        if isinstance(given, Source):
            seen.add(given.source)
            yield given
            continue
        root = _root(given)
        found = root.is_dir()
        for file in _below(root, left_out, home) if found else [root]:
            source = source_of(file)
            if source not in seen:
                seen.add(source)
                yield Source(source, file, source.rpartition("/")[2], found=found)


def within_reach(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Return those of some paths that can be reached, and of each of the others why it cannot.

    Raises:
        InvalidInput: a path is neither a file nor a folder.
    """
    there: list[Path] = []
    away: list[str] = []
    for path in paths:
        try:
            _root(path)
        except (NotFound, SourceUnavailable) as error:
            away.append(str(error))
        else:
            there.append(path)
    return there, away


def source_of(path: Path) -> str:
    """Return what a path is known by; names on old shares may be no UTF-8."""
    return spelt_out(str(path))


def spelt_out(name: str) -> str:
    """Return a name that can be stored: bytes of it that are no UTF-8 are spelt out."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def _root(given: Path | str) -> Path:
    path = Path(given).expanduser()
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"no such file or folder: {given}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceUnavailable(f"cannot reach {given}: {reason}") from error
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise InvalidInput(f"{given} is {_NO_FILE}")
    return path.resolve()


def _below(root: Path, left_out: Callable[[LeftOut], None], home: Path | None) -> Iterator[Path]:
    def shut(error: OSError) -> None:
        left_out(
            LeftOut(
                f"{source_of(Path(error.filename))}/",
                f"the folder cannot be opened: {error.strerror or error}",
                shut=True,
            )
        )

    if root == home:
        left_out(LeftOut(f"{source_of(root)}/", OWN_DATA))
        return
    for folder, folders, names in os.walk(root, onerror=shut):
        kept = []
        for name in sorted(folders):
            path = Path(folder) / name
            reason = OWN_DATA if path == home else why_no_document(name)
            reason = reason or (_link(path, root) if path.is_symlink() else None)
            if reason is None:
                kept.append(name)
            else:
                left_out(LeftOut(f"{source_of(path)}/", reason))
        folders[:] = kept
        for name in sorted(names):
            path = Path(folder) / name
            reason = why_no_document(name) or why_no_file(path, root)
            if reason is None:
                yield path
            else:
                left_out(LeftOut(source_of(path), reason))


def why_no_file(path: Path, root: Path) -> str | None:
    """Return why what is no folder is not read; what cannot be looked at is, for reading it says what is wrong."""
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            return "a link that leads out of the folder"
        kind = path.stat().st_mode
    except (OSError, RuntimeError):  # Python tells a circle of links by the latter
        return None
    return None if stat.S_ISREG(kind) else _NO_FILE


def _link(path: Path, root: Path) -> str:
    inside = path.resolve().is_relative_to(root)
    return "a link to a folder that is read where it lies" if inside else "a link that leads out of the folder"
