"""Comparing two generations on questions whose documents are known: exact search by vectors, nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from core.db.models import ChunkRow, Document, DocumentVersion, EmbeddingRow
from core.db.session import Database
from core.errors import InvalidInput

if TYPE_CHECKING:
    from models.encoder import Encoder

DEPTH = 10
ALLOWED_LOSS = 0.01
"""Hits at 10 may fall by this much: less than one question in a hundred is noise on sets of a few hundred."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How one generation finds the documents of the questions: share in the first ten, mean reciprocal rank."""

    embedder: str
    hits_at_10: float
    mrr_at_10: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The old generation against the new one; `good_enough` lets the switch happen."""

    questions: int
    old: Measured
    new: Measured

    @property
    def good_enough(self) -> bool:
        """Whether the new generation loses no more than noise."""
        return self.new.hits_at_10 >= self.old.hits_at_10 - ALLOWED_LOSS

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {**asdict(self), "good_enough": self.good_enough}


def read_questions(path: Path) -> list[tuple[str, frozenset[str]]]:
    """Read JSON Lines with `question` and the documents that answer it (`documents`, `doc` or `evidence[].doc`).

    A document is named by its id, its source, or the end of its source. Rows without one are passed over.

    Raises:
        InvalidInput: the file cannot be read or names no document at all.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} is not readable JSON Lines: {error}") from error
    questions = [(str(row.get("question") or row.get("text") or ""), _documents(row)) for row in rows]
    usable = [(text, names) for text, names in questions if text and names]
    if not usable:
        raise InvalidInput(f"{path} holds no question that names its documents")
    return usable


def measure(
    database: Database, generation_id: int, encoder: Encoder, questions: Sequence[tuple[str, frozenset[str]]]
) -> Measured:
    """Search every question over the current versions of live documents in one generation."""
    matrix, owners = _load(database, generation_id)
    hits = reciprocal = 0.0
    queries = encoder.encode([text for text, _ in questions], "query")
    for vector, (_, names) in zip(queries, questions, strict=True):
        order = np.argsort(-(matrix @ vector), kind="stable")
        found = list(dict.fromkeys(owners[row] for row in order[: DEPTH * DEPTH]))[:DEPTH]
        rank = next((place for place, owner in enumerate(found, 1) if _named(owner, names)), None)
        hits += rank is not None
        reciprocal += 1 / rank if rank else 0.0
    count = len(questions)
    return Measured(encoder.name, round(hits / count, 4), round(reciprocal / count, 4))


def _load(database: Database, generation_id: int) -> tuple[NDArray[np.float32], list[tuple[str, str]]]:
    query = (
        select(Document.id, Document.source, EmbeddingRow.vector)
        .join(ChunkRow, ChunkRow.id == EmbeddingRow.chunk_id)
        .join(DocumentVersion, DocumentVersion.key == ChunkRow.version_key)
        .join(Document, Document.key == ChunkRow.document_key)
        .where(ChunkRow.generation_id == generation_id, Document.state == "live")
        .where(DocumentVersion.version == Document.version)
        .order_by(ChunkRow.id)
    )
    with database.read() as session:
        rows = session.execute(query).all()
    vectors = np.frombuffer(b"".join(row.vector for row in rows), dtype="<f4")
    return vectors.reshape(len(rows), -1), [(row.id, row.source) for row in rows]


def _documents(row: Mapping[str, Any]) -> frozenset[str]:
    named = list(row.get("documents") or []) + ([row["doc"]] if row.get("doc") else [])
    named += [item["doc"] for item in row.get("evidence") or [] if isinstance(item, dict) and item.get("doc")]
    return frozenset(str(name) for name in named)


def _named(owner: tuple[str, str], names: frozenset[str]) -> bool:
    document_id, source = owner
    return any(name in (document_id, source) or source.endswith(f"/{name.lstrip('/')}") for name in names)
