"""Search by mode with a question map trained on the other questions: none is judged by a map that saw it.

    python -m bench.held_out_map D/ir/scifact D/ir/cranfield D/ir/vaswani

Two maps are trained, each on every second question of all sets, and each judges the questions of the other. Prints one
JSON object: nDCG@10 over all questions by set and mode, without a map and with the held-out one.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from core.settings import load_settings
from core.types import Mode
from evals import metrics
from evals.cases import limited
from evals.question_map import Floats, Pairs, read_beir, train
from evals.retrieval import RetrievalOptions, RetrievalSet, filled_retriever, search_all
from models.encoder import load_encoder
from retriever import question_map
from retriever.retriever import Retriever

Questions = list[tuple[str, str]]


def main() -> None:
    """Measure by the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--limit", type=int, help="judge this many questions of each half of a set")
    options = parser.parse_args()
    folders: list[Path] = options.folders
    sets = [read_beir(folder) for folder in folders]
    maps = [train(sets, {pairs.name: pairs.halves()[half] for pairs in sets}) for half in (0, 1)]
    report = {
        folder.name: judged(folder, pairs, maps, options.limit) for folder, pairs in zip(folders, sets, strict=True)
    }
    print(json.dumps(report, indent=1))


def judged(folder: Path, pairs: Pairs, maps: Sequence[Floats], limit: int | None) -> dict[str, dict[str, float | None]]:
    """Return nDCG@10 by mode of a set's questions, each with no map and with the map that did not see it."""
    named = RetrievalSet.read(folder / "corpus.jsonl", folder / "queries.dev.jsonl", folder / "qrels.dev.tsv")
    seen = {pairs.groups[at] for at in pairs.halves()[0]}
    first = limited([query for query in named.queries if query[0] in seen], limit)
    second = limited([query for query in named.queries if query[0] not in seen], limit)
    report: dict[str, dict[str, float | None]] = {}
    with filled_retriever(named) as retriever:
        for mode in get_args(Mode):
            with shipped(None):
                plain = moved = _ndcg(retriever, named, first + second, mode)
            if mode == "hybrid":  # a map moves questions of no other
                with shipped(maps[1]):
                    moved = _ndcg(retriever, named, first, mode)
                with shipped(maps[0]):
                    moved = [*moved, *_ndcg(retriever, named, second, mode)]
            report[mode] = {"no_map": metrics.mean(plain), "held_out_map": metrics.mean(moved)}
            sys.stderr.write(f"{folder.name} {mode}: {json.dumps(report[mode])}\n")
    return report


@contextmanager
def shipped(matrix: Floats | None) -> Iterator[None]:
    """Let a map stand in for the packaged one while the block runs, or none."""
    from safetensors.numpy import save_file

    packaged = question_map.FOLDER
    encoder = load_encoder(load_settings().embedder)
    with tempfile.TemporaryDirectory(prefix="attest-map-") as name:
        folder = Path(name)
        if matrix is not None:
            save_file({"matrix": matrix}, folder / "map.safetensors")
            (folder / "card.json").write_text(json.dumps({"revision": encoder.revision}), encoding="utf-8")
        question_map.FOLDER = folder
        try:
            yield
        finally:
            question_map.FOLDER = packaged


def _ndcg(retriever: Retriever, named: RetrievalSet, asked: Questions, mode: Mode) -> list[float | None]:
    found = search_all(retriever, asked, RetrievalOptions(mode))
    return [metrics.ndcg(one.documents, named.grades[one.query], 10) for one in found]


if __name__ == "__main__":
    main()
