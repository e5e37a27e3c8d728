"""Zero-shot, few-shot, p-tuned and LoRA over the same held-out questions: figures, intervals, plots, a report.

A variant is judged once and kept as `<name>.json` in the report's folder; a name that ends in `@N` was trained on N
examples and becomes a point of a learning curve. Differences are bootstrapped over questions, both variants on the same
ones, answerable and unanswerable apart, so that what is hard for both does not widen them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput
from tuning.judge import Variant, run_variant

RESAMPLES = 2000
METRICS = ("token_f1", "marker", "balanced_refusal")
LABELS = {"token_f1": "token F1", "marker": "right marker", "balanced_refusal": "balanced refusal"}
_CURVE = re.compile(r"^(.*)@(\d+)$")

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """What a variant did on each row, answerable rows apart from the others."""

    f1: Values
    answered: Values
    marker: Values
    refused: Values

    def metric(self, name: str, able: NDArray[np.intp], rest: NDArray[np.intp]) -> float:
        """Return a figure over chosen rows; the marker is judged where the row was answered."""
        if name == "token_f1":
            return float(self.f1[able].mean())
        answered = float(self.answered[able].mean())
        if name == "marker":
            return float(self.marker[able].sum() / max(self.answered[able].sum(), 1.0))
        return (answered + float(self.refused[rest].mean())) / 2


def scores_of(report: Mapping[str, Any]) -> Scores:
    """Return the scores of a judged variant, rows in the order of their ids."""
    rows = sorted(report["judged"], key=lambda row: str(row["id"]))
    able = [row for row in rows if row["token_f1"] is not None]
    rest = [row for row in rows if row["token_f1"] is None]
    if not able or not rest:
        raise InvalidInput("a comparison needs questions with an answer and questions without one")
    return Scores(
        np.array([row["token_f1"] for row in able]),
        np.array([float(not row["refused"]) for row in able]),
        np.array([float(bool(row["marker"])) for row in able]),
        np.array([float(row["refused"]) for row in rest]),
    )


def difference(ours: Scores, theirs: Scores, metric: str, seed: int = 0) -> tuple[float, float, float]:
    """Return by how much one variant is ahead of another, with the 95 % interval of a paired bootstrap."""
    able, rest = len(ours.f1), len(ours.refused)
    if able != len(theirs.f1) or rest != len(theirs.refused):
        raise InvalidInput("these variants were not judged on the same questions")
    chance = np.random.default_rng(seed)
    made = []
    for _ in range(RESAMPLES):
        some, others = chance.integers(0, able, able), chance.integers(0, rest, rest)
        made.append(ours.metric(metric, some, others) - theirs.metric(metric, some, others))
    everything = (np.arange(able), np.arange(rest))
    seen = ours.metric(metric, *everything) - theirs.metric(metric, *everything)
    low, high = np.quantile(made, (0.025, 0.975))
    return seen, float(low), float(high)


def run_all(
    model: Path, variants: Sequence[Variant], rows: Sequence[dict[str, Any]], out: Path, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Judge each variant that has no file yet and return the reports in order."""
    out.mkdir(parents=True, exist_ok=True)
    for variant in variants:
        file = out / f"{variant.name}.json"
        if file.is_file() and len(json.loads(file.read_text(encoding="utf-8"))["judged"]) == len(rows):
            continue
        report = run_variant(model, variant, rows, batch=8, timed=min(16, len(rows)))
        file.write_text(json.dumps(report, ensure_ascii=False), encoding="utf-8")
        say(f"{variant.name}: {json.dumps(report['summary'])}")
    return [json.loads((out / f"{variant.name}.json").read_text(encoding="utf-8")) for variant in variants]


def compare_reports(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return each variant's figures and its differences from zero-shot and from the best few-shot variant."""
    named = {str(report["variant"]["name"]): report for report in reports}
    scores = {name: scores_of(report) for name, report in named.items()}
    plain = [name for name, report in named.items() if not _trained(report) and not report["variant"]["shots"]]
    few = [name for name, report in named.items() if not _trained(report) and report["variant"]["shots"]]

    def best(names: Sequence[str]) -> str | None:
        return max(names, key=lambda name: named[name]["summary"]["token_f1"], default=None)

    bases = [base for base in (best(plain), best(few)) if base is not None]
    made = {}
    for name, report in named.items():
        single = report.get("single_ms", {})
        made[name] = {
            **report["summary"],
            "trained_parameters": report["trained_parameters"],
            "single_p50_ms": single.get("p50"),
            "ahead_of": {
                base: {metric: difference(scores[name], scores[base], metric) for metric in METRICS}
                for base in bases
                if base != name
            },
        }
    return {"variants": made, "bases": bases, "rows": max(report["summary"]["rows"] for report in reports)}


def _trained(report: Mapping[str, Any]) -> bool:
    return bool(report["variant"]["virtual"] or report["variant"]["adapter"])


def write_report(made: Mapping[str, Any], out: Path, *, title: str, notes: Sequence[str]) -> Path:
    """Write report.md, comparison.json and the plots; return the report."""
    lines = [f"# {title}", "", *notes, "", *table(made), ""]
    for base in made["bases"]:
        lines += [f"Ahead of {base}, with the 95 % interval of a paired bootstrap ({RESAMPLES} resamples):", ""]
        lines += [*_ahead(made, base), ""]
    plots = plot(made, out)
    lines += [f"![{file.stem}]({file.name})" for file in plots]
    (out / "comparison.json").write_text(json.dumps(made, indent=1), encoding="utf-8")
    path = out / "report.md"
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return path


def table(made: Mapping[str, Any]) -> list[str]:
    """Return the figures as lines of a Markdown table."""
    lines = [
        "| variant | token F1 | right marker | balanced refusal | answered | refused | parameters | one reply |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in made["variants"].items():
        figures = [_figure(row[key]) for key in (*METRICS, "answered", "refused")]
        single = "–" if row["single_p50_ms"] is None else f"{row['single_p50_ms'] / 1000:.2f} s"
        lines.append(f"| {name} | {' | '.join(figures)} | {row['trained_parameters']:,} | {single} |")
    return lines


def _ahead(made: Mapping[str, Any], base: str) -> list[str]:
    lines = [f"| variant | {' | '.join(LABELS[metric] for metric in METRICS)} |", "|---|---|---|---|"]
    for name, row in made["variants"].items():
        if base in row["ahead_of"]:
            cells = [_interval(row["ahead_of"][base][metric]) for metric in METRICS]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _interval(values: Sequence[float]) -> str:
    seen, low, high = values
    return f"{seen:+.3f} ({low:+.3f} to {high:+.3f})"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def plot(made: Mapping[str, Any], out: Path) -> list[Path]:
    """Draw the variants beside one another, and learning curves where there are any."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    files = []
    whole = {name: row for name, row in made["variants"].items() if not _CURVE.match(name)}
    figure, axis = pyplot.subplots(figsize=(1.4 + 1.1 * len(whole), 3.6))
    for place, metric in enumerate(METRICS):
        heights = [row[metric] or 0.0 for row in whole.values()]
        axis.bar([x + 0.27 * (place - 1) for x in range(len(whole))], heights, 0.25, label=LABELS[metric])
    axis.set_xticks(range(len(whole)), list(whole), rotation=20, ha="right")
    files.append(_save(figure, axis, out / "variants.svg"))
    if curves := _curves(made):
        figure, axis = pyplot.subplots(figsize=(5.4, 3.6))
        for name, points in curves.items():
            axis.plot([x for x, _ in points], [y for _, y in points], marker="o", label=name)
        axis.set_xscale("log")
        axis.set_xlabel("training examples")
        axis.set_ylabel(LABELS["token_f1"])
        files.append(_save(figure, axis, out / "learning-curve.svg"))
    pyplot.close("all")
    return files


def _curves(made: Mapping[str, Any]) -> dict[str, list[tuple[int, float]]]:
    curves: dict[str, list[tuple[int, float]]] = {}
    for name, row in made["variants"].items():
        if found := _CURVE.match(name):
            curves.setdefault(found[1], []).append((int(found[2]), row["token_f1"] or 0.0))
    return {name: sorted(points) for name, points in curves.items()}


def _save(figure: Any, axis: Any, path: Path) -> Path:
    axis.set_ylim(0, 1)
    axis.grid(axis="y", alpha=0.3)
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    return path
