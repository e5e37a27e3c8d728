"""The throw-away home of a measurement: the operator's settings and models, none of the operator's documents."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.home import FITTED
from core.settings import Settings, Storage, default_home, load_settings
from generation.calibration import FILE as CALIBRATION


@contextmanager
def throwaway_home(*, calibrated: bool = True) -> Iterator[Settings]:
    """Yield settings over an empty home that is gone when the block ends.

    Models, thresholds and weights are the operator's; the store is not, so that a measurement never writes to a
    database or index server that holds real documents. Without `calibrated`, when to answer is as it ships.
    """
    settings = load_settings(config=operator_config())
    with tempfile.TemporaryDirectory(prefix="attest-eval-", ignore_cleanup_errors=True) as folder:
        yield isolated(settings, Path(folder).resolve(), calibrated=calibrated)


def isolated(settings: Settings, home: Path, *, calibrated: bool = True) -> Settings:
    """Return the settings over another home and a store of its own, with what the operator's home holds beside it."""
    for name in FITTED:
        there, here = settings.home / name, home / name
        here.unlink(missing_ok=True)  # of an earlier run, which may lead to where the home was
        if there.exists() and (calibrated or name != CALIBRATION):
            here.symlink_to(there)
    examples = settings.generation.examples
    if examples is not None:
        examples = settings.home / examples.expanduser()
    changed = {
        "home": home,
        "storage": Storage(),
        "retrieval": settings.retrieval.model_copy(update={"index": "memory"}),
        "generation": settings.generation.model_copy(update={"examples": examples}),
    }
    return settings.model_copy(update=changed)


def operator_config() -> Path | None:
    """Return the operator's settings file, `None` where there is none."""
    named = os.environ.get("ATTEST_CONFIG")
    path = Path(named) if named else default_home() / "attest.toml"
    return path if named or path.is_file() else None
