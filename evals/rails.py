"""One guardrail on labelled rows, through the same rail that guards the running product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evals.cases import limited, rows_with
from evals.home import throwaway_home
from guardrails.measure import measure_rail

NEEDED = {
    "toxicity": ("toxic",),
    "prompt_injection": ("attack",),
    "indirect_injection": ("injected",),
    "harmful_requests": ("harmful",),
    "groundedness": ("grounded", "answer", "context"),
    "domain": ("in_domain_for",),
    "pii": ("text", "spans"),
}
"""The fields without which a row of a rail cannot be judged."""


def measure_rail_on(name: str, data: Path, limit: int | None) -> dict[str, Any]:
    """Measure a rail on a file of labelled rows, and return the figures."""
    rows = limited(rows_with(data, *NEEDED.get(name, ())), limit)
    with throwaway_home() as settings:
        return measure_rail(name, rows, settings)
