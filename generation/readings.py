"""What the reader sees in each passage of the evidence; one pass a question, shared by refusing and quoting."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from core.settings import Settings
from core.types import Evidence

if TYPE_CHECKING:
    from models.reader import Reading

KEPT = 512
"""Readings kept: one question asks for the same ones two or three times within a second."""
READ_AT_MOST = 5
"""Passages read a question: 30 to 50 ms each on one free core; what ranks lower seldom answers."""

Key: TypeAlias = tuple[str, int, str]

_kept: OrderedDict[Key, Reading] = OrderedDict()
_lock = threading.Lock()


def read_evidence(question: str, evidence: Sequence[Evidence], settings: Settings) -> list[Reading | None] | None:
    """Return one reading an evidence, `None` for those ranked too low to be read; `None` without a reader."""
    from models.reader import has_reader, load_reader

    if not has_reader() or not evidence:
        return None
    chosen = sorted(range(len(evidence)), key=lambda index: -evidence[index].hit.score)[:READ_AT_MOST]
    found = {index: _recall(_key(question, evidence[index])) for index in chosen}
    missing = [index for index in chosen if found[index] is None]
    if missing:
        read = load_reader(settings.embedder).read(question, [context_of(evidence[index]) for index in missing])
        for index, reading in zip(missing, read, strict=True):
            found[index] = reading
            _keep(_key(question, evidence[index]), reading)
    return [found.get(index) for index in range(len(evidence))]


def context_of(item: Evidence) -> str:
    """Return a passage under its headings, as the reader was trained to see it."""
    heading = item.hit.chunk.heading or item.hit.title
    return f"{heading}\n{item.hit.chunk.text}" if heading else item.hit.chunk.text


def offset_of(item: Evidence) -> int:
    """Return how many characters stand before the passage in `context_of`."""
    return len(context_of(item)) - len(item.hit.chunk.text)


def _key(question: str, item: Evidence) -> Key:
    return question, item.hit.chunk.id, context_of(item)


def _recall(key: Key) -> Reading | None:
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
        return _kept.get(key)


def _keep(key: Key, reading: Reading) -> None:
    with _lock:
        _kept[key] = reading
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
