"""Claims made of written questions and their answers, for the `groundedness` adapter.

    python -m tuning.written_claims --labelled labelled.jsonl --out claims.jsonl

A question that the teachers say its passage answers becomes, with its answer, a claim that the passage supports. The
same claim is not supported by a passage that does not answer, nor is one with another name or number of the passage
(`tuning/verify_data.py` builds the same of real questions).
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.words import coverage
from tuning.passages_data import read_rows, write_rows
from tuning.verify_data import declared, other_answers, pair

SURE, RULED_OUT = 0.85, 0.06
"""The teachers' probability from which a passage answers, and up to which it does not."""


def claims_of(rows: Sequence[Mapping[str, Any]], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield supported claims, the same over passages that do not answer, and the same with another answer."""
    claims: dict[str, str] = {}
    for row in rows:
        made = {"group": row["group"], "kind": "written", "weight": 0.5, "train_only": True}
        if row["spans"] and row["soft"] >= SURE:
            answer, text = row["context"][slice(*row["spans"][0])], row["context"]
            claims[row["question"]] = claim = declared(row["question"], answer)
            yield pair(claim, text, True, made)
            pool = other_answers(answer, text)
            if pool:
                yield pair(declared(row["question"], chance.choice(pool)), text, False, made)
    for row in rows:
        claim = claims.get(row["question"], "")
        if claim and row["soft"] <= RULED_OUT and coverage(claim, row["context"]) < 0.9:
            made = {"group": row["group"], "kind": "written", "weight": 0.4, "train_only": True}
            yield pair(claim, row["context"], False, made)


def main() -> None:
    """Write the claims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labelled", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    print(write_rows(given.out, claims_of(read_rows(given.labelled), random.Random(23))))  # noqa: T201


if __name__ == "__main__":
    main()
