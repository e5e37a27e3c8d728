"""The throw-away home of a measurement: the operator's settings, none of the operator's data."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.settings import Settings, Storage, default_home, load_settings


@contextmanager
def throwaway_home() -> Iterator[Settings]:
    """Yield settings over an empty home that is gone when the block ends.

    Models, thresholds and weights come from the operator's file and environment; the store does not, so that a
    measurement never writes to a database or index server that holds real documents.
    """
    with tempfile.TemporaryDirectory(prefix="attest-eval-", ignore_cleanup_errors=True) as folder:
        yield isolated(load_settings(home=Path(folder), config=operator_config()))


def isolated(settings: Settings) -> Settings:
    """Return the settings with every store moved into their home."""
    return settings.model_copy(update={"storage": Storage()})


def operator_config() -> Path | None:
    """Return the operator's settings file, `None` where there is none."""
    named = os.environ.get("ATTEST_CONFIG")
    path = Path(named) if named else default_home() / "attest.toml"
    return path if named or path.is_file() else None
