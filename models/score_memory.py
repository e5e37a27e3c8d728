"""Scores of texts that were scored before: passages come back with every question about the same subject."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TypeAlias

Key: TypeAlias = tuple[Path, bytes]
ENTRIES = 1 << 16
"""Scores kept, the latest used; about 15 MB."""


def key_of(folder: Path, text: str | tuple[str, str]) -> Key:
    """Return what a score is kept under: the adapter's folder, and a digest instead of the text."""
    whole = text if isinstance(text, str) else f"{len(text[0])}\x00{text[0]}{text[1]}"
    return folder, hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class ScoreMemory:
    """The latest scores by adapter and text; safe to use from several threads, and gone with the process."""

    def __init__(self, entries: int = ENTRIES) -> None:
        self._entries = entries
        self._scores: OrderedDict[Key, float] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> float | None:
        """Return a score, or None where it is not known."""
        with self._lock:
            if key in self._scores:
                self._scores.move_to_end(key)
                return self._scores[key]
        return None

    def put(self, key: Key, score: float) -> None:
        """Keep a score, letting go of the one that was not used for longest."""
        with self._lock:
            self._scores[key] = score
            self._scores.move_to_end(key)
            if len(self._scores) > self._entries:
                self._scores.popitem(last=False)
