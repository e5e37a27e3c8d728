"""Choose the rows an adapter is trained further with: all of some kinds, and some of the others lest they be forgotten.

    python -m tuning.rails_further --rows rows/NAME.train.jsonl --kinds ordinary:curt_questions … --out FILE

The rows go to `python -m tuning.classifier --start ADAPTER`. The others are drawn at random from the short ones, for
long texts cost the most and are the last thing that a few more questions would change.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

from tuning.rail_templates import Fields
from tuning.rails_data import write_rows

_LONG = 300
"""Characters."""


def further(rows: Sequence[Fields], kinds: Sequence[str], others: int, chance: random.Random) -> list[Fields]:
    """Return the rows of the kinds and so many others."""
    wanted = [row for row in rows if row["kind"] in kinds]
    rest = [row for row in rows if row["kind"] not in kinds and len(row["text"]) <= _LONG]
    return [*wanted, *chance.sample(rest, min(others, len(rest)))]


def main() -> None:
    """Write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--kinds", nargs="+", required=True)
    parser.add_argument("--others", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.rows.read_text(encoding="utf-8").split("\n") if line.strip()]
    write_rows(given.out, further(rows, given.kinds, given.others, random.Random(given.seed)))


if __name__ == "__main__":
    main()
