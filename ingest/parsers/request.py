"""What a parser is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ParseRequest:
    """One file to parse in the sandbox."""

    path: Path
    name: str
    """The file's own name; `path` may be a copy under another."""
    spool: Path
    """An empty folder where attachments are left."""
    deadline: float
    """`time.monotonic()` after which optional work (OCR) stops."""
    password: str | None = None
    ocr: bool = True
    max_output_bytes: int = 256 * 2**20
    """Most bytes that may be unpacked from the file."""

    def read(self) -> bytes:
        """Return the file's bytes."""
        return self.path.read_bytes()
