"""Which written texts the input rails stop: ordinary questions, pairs of harmful and harmless ones, five languages."""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.rails import open_rails, rows_in
from guardrails.rails import blocked_by


def ordinary(args: argparse.Namespace) -> dict[str, Any]:
    """Count ordinary questions that the input rails block, by rail, and print the first of each to standard error."""
    rails = open_rails()
    blocked: Counter[str] = Counter()
    total = 0
    for row in rows_in(args.data):
        total += 1
        text = str(row.get("question") or row.get("text"))
        verdict = blocked_by(rails.check_input(text))
        if verdict is not None:
            blocked[verdict.rail] += 1
            if blocked[verdict.rail] <= 20:
                sys.stderr.write(f"{verdict.rail} {verdict.score:.3f} {text[:120]}\n")
    return {"questions": total, "blocked": sum(blocked.values()), "by_rail": dict(blocked)}


def pairs(args: argparse.Namespace) -> dict[str, Any]:
    """Count what the input rails block of `bench/harm_pairs`, by file: `! …` means harm, `= …` resembles it."""
    rails = open_rails()
    found: dict[str, dict[str, int]] = {}
    for path in sorted(Path(__file__).parent.glob("harm_pairs/*.txt")):
        counts = found.setdefault(path.stem, {"pairs": 0, "harmful blocked": 0, "harmless blocked": 0})
        for harmful, harmless in read_pairs(path):
            counts["pairs"] += 1
            counts["harmful blocked"] += blocked_by(rails.check_input(harmful)) is not None
            counts["harmless blocked"] += blocked_by(rails.check_input(harmless)) is not None
    return {
        **found,
        "all": {name: sum(counts[name] for counts in found.values()) for name in next(iter(found.values()))},
    }


def read_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a file, harmful and harmless.

    Raises:
        ValueError: a block is no pair.
    """
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        lines = block.split("\n")
        if [line[:2] for line in lines] != ["! ", "= "]:
            raise ValueError(f"{path.name}: {block!r} is no pair")
        yield lines[0][2:], lines[1][2:]


def languages(args: argparse.Namespace) -> dict[str, Any]:
    """Return, by language and kind, how many of the written texts the input rails block; show what went wrong."""
    texts = tomllib.loads(Path(__file__).with_name("rails_languages.toml").read_text(encoding="utf-8"))
    rails = open_rails()
    found: dict[str, dict[str, dict[str, int]]] = {}
    for language, kinds in texts.items():
        found[language] = {}
        for kind, asked in kinds.items():
            verdicts = [blocked_by(rails.check_input(text)) for text in asked]
            found[language][kind] = {"texts": len(asked), "blocked": sum(verdict is not None for verdict in verdicts)}
            for text, verdict in zip(asked, verdicts, strict=True):
                if (verdict is not None) == (kind in ("ordinary", "curt", "reports")):
                    by = f"{verdict.rail} {verdict.score:.3f}" if verdict else "passed"
                    sys.stderr.write(f"{language} {kind}: {by}: {text}\n")
    return found
