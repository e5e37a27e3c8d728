"""What a parser is told."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ingest.parsed import Attachment, RawDocument

PATIENCE = 6.0
"""How many times longer than its processor time a file may take on the clock, on a busy machine."""

SCAN_S = 30.0
"""Of processor time for one page read as a picture: three times what the slower engine takes for a full one."""


def scans_limit_s(pages: int, most_s: float) -> float:
    """Return how much more processor time a file may take for its scanned pages."""
    return min(max(0, pages) * SCAN_S, most_s)


def worked_s() -> float:
    """Return the processor time of this process and of the programs it ran: waiting for a busy machine is no work."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


@dataclass(slots=True)
class ParseRequest:
    """One file to parse in the sandbox."""

    path: Path
    name: str
    """The file's own name; `path` may be a copy under another."""
    spool: Path
    """An empty folder where attachments are left."""
    budget_s: float
    """Processor time after which optional work (OCR, a second reader) stops."""
    password: str | None = None
    ocr: bool = True
    max_output_bytes: int = 256 * 2**20
    """Most bytes that may be unpacked from the file."""
    began_s: float = field(default_factory=worked_s)
    began_at: float = field(default_factory=time.monotonic)
    scans: Callable[[int], float] = lambda pages: 0.0
    """Told how many pages have to be read as pictures, gives the processor time that they may take beside the rest."""

    def expect_scans(self, pages: int) -> None:
        """Ask for the time that reading so many pages as pictures takes; once a file."""
        self.budget_s += self.scans(pages)

    def seconds_left(self) -> float:
        """Return how much processor time is left for optional work; a program that only sleeps uses it up too."""
        waited = (time.monotonic() - self.began_at) / PATIENCE
        return self.budget_s - max(worked_s() - self.began_s, waited)

    def read(self) -> bytes:
        """Return the file's bytes."""
        return self.path.read_bytes()


def spool_file(raw: RawDocument, request: ParseRequest, name: str, content: bytes) -> None:
    """Leave a file found inside another in the spool, under a number; its name is only a label."""
    path = request.spool / f"{len(raw.attachments):05d}"
    path.write_bytes(content)
    raw.attachments.append(Attachment(name, path.name))
