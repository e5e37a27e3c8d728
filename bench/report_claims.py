"""Reports with right and wrong sentences about them, as labelled answers for the groundedness rail and the verifier.

    python -m bench.report_claims --out reports.jsonl [--every 4]
    python -m bench.verifier_labelled --data reports.jsonl
    attest eval rails --rail groundedness --data reports.jsonl

Those of `bench/reports` were written for this project and are never trained on (`tuning/report_claims.py` reads them,
and those that are).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tuning.passages_data import write_rows
from tuning.report_claims import labelled

FOLDER = Path(__file__).parent / "reports"


def main() -> None:
    """Write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="every n-th report only")
    given = parser.parse_args()
    groups = dict.fromkeys(row["group"] for row in labelled(FOLDER))
    taken = set(list(groups)[:: given.every])
    print(write_rows(given.out, (row for row in labelled(FOLDER) if row["group"] in taken)))


if __name__ == "__main__":
    main()
