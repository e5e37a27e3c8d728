"""Dense, lexical and hybrid search over one store of a BEIR set, so that a corpus is embedded once.

    python -m bench.retrieval_modes ../shared/data/ir/scifact --half dev [--rerank] [--limit N]

Prints one JSON object: a set's figures by mode, as `attest eval retrieval` gives them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import get_args

from core.types import Mode
from evals.retrieval import RetrievalOptions, RetrievalSet, filled_retriever, measure_with


def main() -> None:
    """Measure every mode by the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="+")
    parser.add_argument("--half", default="dev")
    parser.add_argument("--rerank", action=argparse.BooleanOptionalAction)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    report = {}
    for folder in options.folder:
        named = RetrievalSet.read(
            folder / "corpus.jsonl", folder / f"queries.{options.half}.jsonl", folder / f"qrels.{options.half}.tsv"
        )
        with filled_retriever(named) as retriever:
            report[folder.name] = {}
            for mode in get_args(Mode):
                found = measure_with(retriever, named, RetrievalOptions(mode, options.rerank, options.limit))
                report[folder.name][mode] = found
                sys.stderr.write(f"{folder.name} {mode}: {json.dumps(found)}\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
