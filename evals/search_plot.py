"""The picture of a search over settings."""

from __future__ import annotations

from pathlib import Path

from core.errors import MissingExtra
from core.types import Json


def plot(found: Json, path: Path) -> None:
    """Draw quality over time with the frontier, the settings in force and the winner.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtra("tuning", "matplotlib") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.2), dpi=120)
    frontier = found["frontier"]
    shown = axes.scatter(
        [row["p50_ms"] for row in frontier],
        [row["quality"] for row in frontier],
        c=[row["tokens"] for row in frontier],
        cmap="viridis_r",
        label="frontier",
    )
    figure.colorbar(shown, label="tokens of evidence")
    for name, marker, colour in (("in_force", "s", "#b3261e"), ("winner", "*", "#1f5fa8")):
        row = found[name]
        axes.plot([row["p50_ms"]], [row["quality"]], marker, color=colour, ms=11, label=name.replace("_", " "))
    axes.set(xlabel="search, ms (median)", ylabel="quality: 1 ÷ log₂(1 + rank of the evidence)")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
