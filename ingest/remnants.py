"""Looking for what is left of a document in files: samples of its text and of its vectors' bytes."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.db.models import ChunkRow, Document, DocumentVersion, EmbeddingRow
from core.errors import StoreUnavailable

SAMPLES = 24
TEXT_CHARACTERS = 40
SHORTEST = 16
"""Shorter strings turn up by chance."""
VECTOR_FLOATS = 16


@dataclass(frozen=True, slots=True)
class Probes:
    """What to look for after a purge, taken before it."""

    document_key: int
    chunk_ids: tuple[int, ...]
    passages: tuple[tuple[str, bytes], ...]
    """(a piece of a passage, the first floats of its vector)."""

    def unshared(self, session: Session) -> list[bytes]:
        """Return the byte strings that no document still in the store has a right to hold."""
        wanted: list[bytes] = []
        for text, vector in self.passages:
            shared = select(DocumentVersion.key).where(func.instr(DocumentVersion.text, text) > 0)
            if session.get_bind().dialect.name == "postgresql":
                shared = select(DocumentVersion.key).where(func.strpos(DocumentVersion.text, text) > 0)
            if session.scalar(shared.limit(1)) is None:
                wanted.append(text.encode())
                wanted += [vector, _half(vector)] if vector else []
        return wanted


def collect_probes(session: Session, document_id: str, samples: int = SAMPLES) -> Probes:
    """Sample about so many of a document's passages, evenly, in every version and generation."""
    key = session.scalar(select(Document.key).where(Document.id == document_id))
    if key is None:
        return Probes(-1, (), ())
    ids = session.scalars(select(ChunkRow.id).where(ChunkRow.document_key == key).order_by(ChunkRow.id)).all()
    step = max(1, len(ids) // samples)
    rows = session.execute(
        select(ChunkRow.text, EmbeddingRow.vector)
        .outerjoin(EmbeddingRow, EmbeddingRow.chunk_id == ChunkRow.id)
        .where(ChunkRow.id.in_(ids[::step]))
    )
    passages = [(piece, (vector or b"")[: 4 * VECTOR_FLOATS]) for text, vector in rows if (piece := _piece(text))]
    return Probes(key, tuple(ids), tuple(passages))


def files_holding(files: Iterable[Path], probes: list[bytes]) -> list[Path]:
    """Return the files in whose bytes any of the probes occurs; a file that goes meanwhile holds nothing.

    Raises:
        StoreUnavailable: a file cannot be read, so nothing can be said of it.
    """
    return [path for path in files if probes and _holds(path, probes)]


def _piece(text: str) -> str | None:
    """The longest line of a passage, cut: a line lies in one run in whatever keeps the text."""
    line = max(text.splitlines() or [""], key=len).strip()
    return line[:TEXT_CHARACTERS] if len(line) >= SHORTEST else None


def _half(vector: bytes) -> bytes:
    """The same numbers as an index of half precision keeps them."""
    floats = struct.unpack(f"<{len(vector) // 4}f", vector)
    return struct.pack(f"<{len(floats)}e", *floats)


def _holds(path: Path, probes: list[bytes]) -> bool:
    try:
        with path.open("rb") as stream:
            if path.stat().st_size == 0:
                return False
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return any(data.find(probe) >= 0 for probe in probes)
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise StoreUnavailable(f"cannot look into {path}: {error}") from error
