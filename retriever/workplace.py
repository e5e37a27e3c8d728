"""A process's own folder for the index files it changes; emptied when its process is gone."""

from __future__ import annotations

import uuid
from pathlib import Path

from core.claims import Claim, sweep


class Workplace:
    """`indexes/work/<name>/`, held as long as the process lives; making one clears what dead processes left."""

    def __init__(self, indexes: Path) -> None:
        sweep(indexes / "work")
        self._claim = Claim(indexes / "work")

    def fresh(self) -> Path:
        """Return a new empty folder's path inside; the caller makes it."""
        return self._claim.folder / uuid.uuid4().hex[:8]

    def close(self) -> None:
        """Delete everything and let the place go."""
        self._claim.release()
