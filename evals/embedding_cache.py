"""Vectors of chunks kept between measurements, under the temporary folder only.

Measuring three retrieval modes over one corpus embeds it once. Queries are never cached, so latency is real; the
rest of ingestion runs every time, so a change of parser or chunker shows at once.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput
from models.encoder import Encoder

BLOCK = 256  # texts embedded between two commits: an interrupted run keeps what it has


class CachedEncoder:
    """An encoder that remembers document vectors by text, name and revision."""

    def __init__(self, encoder: Encoder, folder: Path | None = None) -> None:
        self._encoder = encoder
        self._path = (folder or cache_folder()) / "embeddings.db"
        with closing(self._open()) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode(
        self,
        texts: Sequence[str],
        kind: Literal["query", "document"],
        on_batch: Callable[[int], None] | None = None,
    ) -> NDArray[np.float32]:
        """Embed texts, shape (n, dimension), taking document vectors already known from the cache."""
        if kind == "query":
            return self._encoder.encode(texts, kind, on_batch)
        keys = [self._key(text) for text in texts]
        known = self._load(keys)
        missing = list({key: text for key, text in zip(keys, texts, strict=True) if key not in known}.items())
        if on_batch and len(missing) < len(texts):
            on_batch(len(texts) - len(missing))
        for first in range(0, len(missing), BLOCK):
            block = missing[first : first + BLOCK]
            vectors = self._encoder.encode([text for _, text in block], kind, on_batch)
            fresh = {key: vector for (key, _), vector in zip(block, vectors, strict=True)}
            self._save(fresh)
            known.update(fresh)
        if not keys:
            return np.zeros((0, self._encoder.dimension), dtype=np.float32)
        return np.stack([known[key] for key in keys])

    def _key(self, text: str) -> bytes:
        named = f"{self._encoder.name}\0{self._encoder.revision}\0{text}"
        return hashlib.blake2b(named.encode("utf-8", "surrogatepass"), digest_size=20).digest()

    def _load(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        found: dict[bytes, NDArray[np.float32]] = {}
        with closing(self._open()) as connection, connection:
            for first in range(0, len(keys), 500):
                part = list(keys[first : first + 500])
                marks = ",".join("?" * len(part))
                for key, blob in connection.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part):
                    found[key] = np.frombuffer(blob, dtype="<f4")
        return found

    def _save(self, fresh: dict[bytes, NDArray[np.float32]]) -> None:
        rows = [(key, vector.astype("<f4").tobytes()) for key, vector in fresh.items()]
        with closing(self._open()) as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=60)
        connection.execute("PRAGMA journal_mode=WAL")
        return connection


def cache_folder() -> Path:
    """Return this user's own cache folder under the temporary folder, made private.

    Raises:
        InvalidInput: a folder of that name belongs to somebody else.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"attest-eval-cache-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and (folder.is_symlink() or folder.stat().st_uid != user):
        raise InvalidInput(f"{folder} belongs to another user; set TMPDIR to a folder of your own")
    return folder
