"""Mails and archives: committed after everything found in them, so that a stop in between loses nothing."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ingest.parse import MAX_DEPTH
from ingest.prepared import Prepared
from ingest.report import IngestOptions
from ingest.sandbox import ParseResult
from ingest.walk import Source

if TYPE_CHECKING:
    from ingest.known import Known

INSIDE = "!/"
"""Between a container's source and the name of what lies in it."""
_TOO_DEEP = "what lies in it is nested too deeply and was not read"


@dataclass(slots=True)
class _Open:
    prepared: Prepared
    spool: Path | None
    outstanding: set[str]
    arrived: int = 0
    embedded: bool = False
    children: list[str] = field(default_factory=list)


class Containers:
    """The containers of one run that still wait for what lies in them."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._filled: set[str] = set()

    def must_open(self, source: Source, known: Known, options: IngestOptions) -> bool:
        """Tell whether an unchanged container is read again because something in it failed before."""
        prefix = source.source + INSIDE
        return options.retry and any(failed.startswith(prefix) for failed in known.failed)

    def open(self, prepared: Prepared, result: ParseResult) -> list[Source]:
        """Note a parsed file's attachments and return them as sources of their own."""
        if not result.document.attachments:
            return []
        source = prepared.source
        if source.depth + 1 >= MAX_DEPTH:
            prepared.document.warnings.append(_TOO_DEEP)
            return []
        names = _names([attachment.name for attachment in result.document.attachments])
        inside = [
            Source(
                f"{source.source}{INSIDE}{name}",
                Path(attachment.path),
                PurePosixPath(_clean(attachment.name)).name,
                source.source,
                source.depth + 1,
            )
            for name, attachment in zip(names, result.document.attachments, strict=True)
        ]
        self._open[source.source] = _Open(prepared, result.spool, {child.source for child in inside})
        return inside

    def holder(self, source: Source) -> Prepared | None:
        """Return the container that a file of this run was found in."""
        entry = self._open.get(source.parent or "")
        return entry.prepared if entry is not None else None

    def waits(self, prepared: Prepared) -> bool:
        """Note that a document's vectors are there and tell whether it waits for others."""
        entry = self._open.get(prepared.source.source)
        if entry is None:
            return False
        entry.embedded = True
        if entry.outstanding:
            return True
        self._close(entry)
        return False

    def arrived(self, source: Source, failed: bool) -> Prepared | None:
        """Note that a file in a container is done with, and return the container where it was the last."""
        entry = self._open.get(source.parent or "")
        if entry is None:
            return None
        entry.outstanding.discard(source.source)
        entry.children.append(source.source)
        entry.arrived += not failed
        return entry.prepared if not entry.outstanding and entry.embedded else None

    def filled(self, prepared: Prepared) -> bool:
        """Tell whether something found in a container got in."""
        return prepared.source.source in self._filled

    def why_empty(self, prepared: Prepared) -> str:
        """Return why a container holds nothing that got in."""
        return _TOO_DEEP if _TOO_DEEP in prepared.document.warnings else "nothing in it could be read"

    def _close(self, entry: _Open) -> None:
        source = entry.prepared.source.source
        entry.prepared.children = entry.children
        if entry.arrived:
            self._filled.add(source)
        if entry.spool is not None:
            shutil.rmtree(entry.spool, ignore_errors=True)
        del self._open[source]


def _names(names: list[str]) -> list[str]:
    """Return names that are unique within their container and lead nowhere."""
    seen: Counter[str] = Counter()
    unique: dict[str, None] = {}
    for name in names:
        clean = _clean(name)
        seen[clean] += 1
        own = clean if seen[clean] == 1 else f"{clean} ({seen[clean]})"
        while own in unique:  # a member may have the very name that another was given
            seen[clean] += 1
            own = f"{clean} ({seen[clean]})"
        unique[own] = None
    return list(unique)


def _clean(name: str) -> str:
    """Return a name that leads nowhere and can be stored."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(parts).encode("utf-8", "backslashreplace").decode() or "unnamed"  # tar keeps any bytes
