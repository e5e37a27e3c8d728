"""Presidio without transformers: it imports all of its pipelines for recognisers that are not used here.

That is half of the time until a first answer. The import is refused to the importing thread alone, so that a model
which another thread loads meanwhile is not in its way.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder

HEAVY = "transformers"


class _Absent(MetaPathFinder):
    """Says to one thread that a module is not installed."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Refuse the module to this thread; everything else is for the other finders."""
        if name == HEAVY and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is not wanted here", name=name)


@contextmanager
def without_transformers() -> Iterator[None]:
    """Keep what is imported in this block from importing transformers, or, where it is there, its pipelines."""
    loaded = sys.modules.get(HEAVY)
    if loaded is not None:
        vars(loaded).setdefault("pipeline", None)  # found before the lazy loader is asked for it
    finder = _Absent()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        if loaded is not None and vars(loaded).get("pipeline", finder) is None:
            del vars(loaded)["pipeline"]
