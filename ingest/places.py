"""The name of a source → the file of this machine that it is, or lies in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ingest.containers import INSIDE

_BYTE = re.compile(rb"\\x([89a-f][0-9a-f])")
"""How a source spells a byte that is no UTF-8."""


def holders_of(source: str) -> Iterator[str]:
    """Yield what a source lies in, by its name, the outermost first."""
    at = source.find(INSIDE)
    while at >= 0:
        yield source[:at]
        at = source.find(INSIDE, at + 1)


def file_of(source: str) -> str | None:
    """Return the path of the file or folder that a source is, or of the file it lies in; a folder may end in "!"."""
    if not os.path.isabs(source):
        return None
    for name in (source, *reversed(list(holders_of(source)))):
        for path in _spellings(name):
            if os.path.isfile(path) if name != source else os.path.exists(path):
                return str(path) + "/" * name.endswith("/")
    return None


def _spellings(source: str) -> Iterator[Path]:
    """Yield the path as the source has it, and with the bytes that it spells out."""
    yield Path(source)
    spelt = os.fsencode(source)
    if _BYTE.search(spelt):
        yield Path(os.fsdecode(_BYTE.sub(lambda found: bytes([int(found[1], 16)]), spelt)))


def is_gone(source: str) -> bool:
    """Tell whether a source was a file of this machine, or lay in one, that is surely not there."""
    if not os.path.isabs(source):
        return False
    names = (source, *holders_of(source))
    return all(
        _missing(path) or (name != source and os.path.isdir(path)) for name in names for path in _spellings(name)
    )


def _missing(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False  # its folder may be shut
    return False


def lies_beside(source: str, roots: Sequence[Path]) -> bool:
    """Tell whether something lies in the folder of a source, or in a root above it."""
    beside = [Path(name.rstrip("/")).parent for name in (source, *holders_of(source))]
    folders = [*beside, *(root for root in roots if Path(source).is_relative_to(root))]
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            if next(entries, None) is not None:
                return True
    return False
