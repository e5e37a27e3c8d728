"""Trouble of a source that may pass is tried again, a little later each time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from core.errors import TransientIngestError

T = TypeVar("T")
PAUSES_S = (0.5, 2.0)
"""Before the second and third attempt; what lasts longer than a few seconds is for the next run."""


def patiently(attempt: Callable[[], T], wait: Callable[[float], None] = time.sleep) -> T:
    """Return what an attempt returns, trying again after trouble that may pass; the last trouble is raised."""
    for pause in PAUSES_S:
        try:
            return attempt()
        except TransientIngestError:
            wait(pause)
    return attempt()
