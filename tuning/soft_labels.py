"""What teachers say of unlabelled pairs, as the rows that the reader learns from.

    python -m tuning.soft_labels --pairs pairs.jsonl --logits one.json [two.json] --out labelled.jsonl
        [--unheld labelled.unheld.jsonl]

The mean of the teachers' probabilities is the `soft` label. `--unheld` leaves out articles that are held out, for a
reader that is measured on them.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuning.passages_data import held_out, read_rows, write_rows

DOUBTFUL, WRITTEN = 0.4, 0.15
"""From the first probability on a pair meant to have no answer may have one, and its spans are unknown; up to the
second a question does not ask for the answer it was written for."""
POINTED = 2.0
"""Weight of a row whose answer is known: one in ten is, and where an answer stands is learnt from these alone."""


def mean_of(logits: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean probability of each pair over the teachers."""
    return [sum(map(_probability, row)) / len(row) for row in zip(*logits, strict=True)]


def softened(rows: Sequence[Mapping[str, Any]], soft: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Yield the rows with their probability; where it disagrees with a row, its spans are unknown."""
    for row, probability in zip(rows, soft, strict=True):
        made = {**row, "soft": round(probability, 4)}
        if (row["answerable"] and probability < WRITTEN) or (not row["answerable"] and probability > DOUBTFUL):
            made |= {"spans": None, "support": None}
        elif not row["answerable"]:
            made |= {"spans": [], "support": []}
        yield made | {"weight": POINTED if made["spans"] else 1.0}


def _probability(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


def main() -> None:
    """Write the labelled rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--logits", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--unheld", type=Path)
    given = parser.parse_args()
    soft = mean_of([json.loads(path.read_text(encoding="utf-8")) for path in given.logits if path.is_file()])
    rows = list(softened(read_rows(given.pairs)[: len(soft)], soft))
    write_rows(given.out, rows)
    if given.unheld:
        write_rows(given.unheld, (row for row in rows if not held_out(row["group"])))
    likely = sum(row["soft"] > 0.5 for row in rows)
    print(f"{len(rows)} pairs, {likely} of them likely to be answered")  # noqa: T201


if __name__ == "__main__":
    main()
