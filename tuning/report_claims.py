"""Made-up reports with right and wrong sentences about them, written for this project.

`true` and `false` are summaries in other words (`report`), `near_true` and `near_false` nearly verbatim ones
(`report-near`): the two ways in which models summarise, and the mistakes that they make in each. A wrong sentence is
fluent, on the subject, and wrong in a detail. Those of `tuning/reports` are trained on, those of `bench/reports` never.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
