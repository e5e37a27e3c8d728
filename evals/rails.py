"""One guardrail on labelled rows, through the same rail that guards the running product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evals.cases import limited, read_rows
from evals.home import throwaway_home
from guardrails.measure import measure_rail


def measure_rail_on(name: str, data: Path, limit: int | None) -> dict[str, Any]:
    """Measure a rail on a file of labelled rows, and return the figures."""
    rows = limited(list(read_rows(data)), limit)
    with throwaway_home() as settings:
        return measure_rail(name, rows, settings)
