"""A rail over labelled rows, each judged with the adapter of the fold that did not learn it.

    python -m bench.rails_folds --rail NAME --rows rows/NAME.train.jsonl --folds DIR --data NAME.dev.jsonl

DIR is what `tuning.classifier --keep-folds` (for pii `tuning.tagger --keep-folds`) wrote when it trained on the rows.
The folds' adapters are put in force one after the other, in a throw-away home, and judge what they held out through the
code that guards the product. Prints what `attest eval rails` prints, but no latency.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.settings import Settings
from guardrails.measure import Prediction, figures_of, predictor
from tuning.adapter_versions import put_in_force
from tuning.classifier_rows import Row, folds_by_group, read_rows
from tuning.tagger import read_tagged


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rail", required=True)
    for name in ("rows", "folds", "data"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7, help="that of the training")
    given = parser.parse_args()
    labelled = [json.loads(line) for line in given.data.read_text(encoding="utf-8").split("\n") if line.strip()]
    home = Path(tempfile.mkdtemp(prefix="rails-folds-"))
    folders = sorted(given.folds.glob("fold-*"))
    homes = _homes(given.rail, given.rows, len(folders), given.seed)
    rows: list[Mapping[str, Any]] = []
    judged: list[Prediction] = []
    for number, folder in enumerate(folders):
        part = [row for row in labelled if homes[str(row["id"])] == number]
        rows += part
        judged += _judged(given.rail, home, number, folder, part)
    print(json.dumps(figures_of(given.rail, rows, judged), indent=1))


def _homes(rail: str, path: Path, folds: int, seed: int) -> dict[str, int]:
    """Return the fold of each labelled row, by its id."""
    trained = [tagged.row for tagged in read_tagged(path)] if rail == "pii" else read_rows(path)
    homes = folds_by_group(trained, folds, seed)
    return {row.id: fold for row, fold in zip(trained, homes, strict=True) if _is_labelled(row)}


def _is_labelled(row: Row) -> bool:
    return not row.train_only and not row.kind.startswith(("ordinary", "written"))


def _judged(rail: str, home: Path, number: int, folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[Prediction]:
    version = home / "adapters" / rail / f"v{number + 1}"
    version.parent.mkdir(parents=True, exist_ok=True)
    version.symlink_to(folder.resolve())
    put_in_force(home, rail, version.name)
    return predictor(rail, Settings(home=home))(rows)


if __name__ == "__main__":
    main()
