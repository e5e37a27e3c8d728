"""Look for leaks: random edits of documents, lists, groups and deletions against a model made of plain dictionaries.

    python -m bench.leaks --queries 20000 --seed 1 [--backend cpu|coarse|gpu|milvus] [--json FILE]

After every edit each principal searches every way there is (dense, lexical, hybrid, carried passages, explain, lists,
single documents). No hit, name, text or count may come from a document the model does not let it read; dense results
equal brute force over the permitted passages, lexical ones equal the operator's with the forbidden taken out.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.leaks_machine import Machine
from bench.leaks_model import Leak
from core.settings import MilvusSettings, Settings, load_settings
from retriever import coarse, dense

BACKENDS = ("cpu", "coarse", "gpu", "milvus")
COARSE_BLOCK = 8
"""Rows of a coded block here, so that the codes are used although the store is small."""


def settings_of(folder: Path, backend: str) -> Settings:
    """Return the settings under which a home is searched by a backend."""
    settings = load_settings(folder)
    if backend == "coarse":
        dense.COARSE_FROM, coarse.BLOCK = 1, COARSE_BLOCK
    kinds = {"backend": "gpu" if backend == "gpu" else "cpu", "index": "milvus" if backend == "milvus" else "memory"}
    retrieval = settings.retrieval.model_copy(update=kinds)
    # one Milvus Lite for every life, a process holds one file; the lives are told apart by a prefix
    milvus = MilvusSettings(uri=str(folder.parent / "milvus.db"), prefix=f"life_{folder.name}")
    return settings.model_copy(update={"retrieval": retrieval, "milvus": milvus})


def run(queries: int, seed: int, backend: str = "cpu", steps: int = 40) -> dict[str, Any]:
    """Lead lives of `steps` edits until the number of queries is reached; a leak raises with its whole history."""
    started, asked, lives, fallen_back = time.monotonic(), 0, 0, 0
    checked: Counter[str] = Counter()
    place = Path(tempfile.mkdtemp(prefix="attest-leaks-"))
    while asked < queries:
        folder = place / str(lives)
        machine = Machine(settings_of(folder, backend), random.Random(f"{seed}:{lives}"))
        try:
            for _ in range(steps):
                machine.edit()
                machine.ask()
        except Leak as leak:
            raise Leak(f"seed {seed}:{lives}\n{leak}") from leak
        finally:
            machine.close()
            shutil.rmtree(folder, ignore_errors=True)
        asked, lives = asked + machine.queries, lives + 1
        checked += machine.checked
        fallen_back += machine.fallen_back
    shutil.rmtree(place, ignore_errors=True)
    seconds = round(time.monotonic() - started, 1)
    report = {"backend": backend, "queries": asked, "lives": lives, "seed": seed, "by_path": dict(checked)}
    return {**report, "fallen_back": fallen_back, "leaks": 0, "seconds": seconds}


def main() -> None:
    """Read the command line, run, print the report."""
    parser = argparse.ArgumentParser(description="Look for leaks.")
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--backend", choices=BACKENDS, default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", file=sys.stderr)
    text = json.dumps(run(arguments.queries, arguments.seed, arguments.backend), indent=1)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
