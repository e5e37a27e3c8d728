"""Reports with right and wrong sentences about them, as labelled answers for the groundedness rail and the verifier.

    python -m bench.report_claims --out reports.jsonl [--every 4]
    python -m bench.verifier_labelled --data reports.jsonl
    attest eval rails --rail groundedness --data reports.jsonl

The reports and sentences stand in `bench/reports`, written for this project and never trained on. `true` and `false`
are summaries in other words (`report`), `near_true` and `near_false` nearly verbatim ones (`report-near`): the two ways
in which models summarise, and the mistakes that they make in each. A wrong sentence is fluent, on the subject, and
wrong in a detail.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuning.passages_data import write_rows

FOLDER = Path(__file__).parent / "reports"
SIDES = {
    "true": ("report", True),
    "near_true": ("report-near", True),
    "false": ("report", False),
    "near_false": ("report-near", False),
}


def labelled(folder: Path = FOLDER) -> Iterator[dict[str, Any]]:
    """Yield every sentence beside its report.

    Raises:
        ValueError: a wrong sentence stands in its report.
    """
    for path in sorted(folder.glob("*.toml")):
        for number, report in enumerate(tomllib.loads(path.read_text(encoding="utf-8"))["report"]):
            text, group = report["text"].strip(), f"{path.stem}-{number}"
            for side, (source, right) in SIDES.items():
                for place, claim in enumerate(report[side]):
                    if not right and claim in text:
                        raise ValueError(f"{path.name}, {report['title']}: wrong, yet in the report: {claim!r}")
                    row = {"id": f"{group}-{side}-{place}", "context": text, "answer": claim, "grounded": right}
                    yield row | {"source": source, "group": group}


def main() -> None:
    """Write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="every n-th report only")
    given = parser.parse_args()
    groups = dict.fromkeys(row["group"] for row in labelled())
    taken = set(list(groups)[:: given.every])
    print(write_rows(given.out, (row for row in labelled() if row["group"] in taken)))


if __name__ == "__main__":
    main()
