"""Query and passage pairs, relevant or not, for the `rerank` adapter.

Run: python -m tuning.rerank_data --data DATA --out rows.jsonl

Judged queries of scifact, cranfield and vaswani, questions of squad2 and clapnq, each beside its relevant passages and
beside those that the word index ranks highest and that are not relevant. Built rows, `train_only`: titles of abstracts
as queries for their own text.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retriever.lexical import LexicalEntry, LexicalIndex, Words
from retriever.permitted import Permitted
from tuning.passages_data import (
    Labelled,
    Passage,
    clapnq_passages,
    read_clapnq,
    read_rows,
    read_squad,
    squad_passages,
    write_rows,
)

NEGATIVES = {"scifact": 20, "cranfield": 30, "vaswani": 40, "squad": 5, "clapnq": 8, "title": 3}
"""Wrong passages a query: as deep as the small sets need to be ranked, fewer where questions are many."""
TITLES = 1500
"""Titles taken from a corpus as queries."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A query and the positions of its relevant passages."""

    group: str
    text: str
    relevant: frozenset[int]


class WordRanking:
    """The product's word index over plain passages."""

    def __init__(self, texts: Sequence[str], folder: Path) -> None:
        self.texts = texts
        self._index = LexicalIndex(folder)
        self._index.add(LexicalEntry(at + 1, at + 1, "en", text) for at, text in enumerate(texts))
        self._index.commit()
        self._all = Permitted(np.arange(1, len(texts) + 1, dtype=np.int64), 0, None)

    def wrong(self, query: Judged, count: int) -> list[int]:
        """Return the positions of the best passages that are not relevant."""
        hits = self._index.search(Words(query.text), count + len(query.relevant), self._all, 1.0)
        return [at for at in (hits.ids - 1).tolist() if at not in query.relevant][:count]


def build(data: Path, out: Path) -> int:
    """Write the rows and return how many there are."""
    chance = random.Random(20261123)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("scifact", "cranfield", "vaswani"):
            corpus = read_rows(data / "ir" / name / "corpus.jsonl")
            ranking = WordRanking([_shown(row.get("title", ""), row["text"]) for row in corpus], Path(scratch, name))
            rows += _pairs(_judged(data / "ir" / name, corpus), ranking, name)
            rows += _title_pairs(corpus, Path(scratch, f"{name}-titles"), chance)
        questions = [
            ("squad", squad_passages(data), read_squad(data)),
            ("clapnq", list(clapnq_passages(data).values()), read_clapnq(data)),
        ]
        for name, passages, labelled in questions:
            ranking = WordRanking([_shown(one.title, one.text) for one in passages], Path(scratch, name))
            rows += _pairs(_asked(labelled, passages), ranking, name)
    chance.shuffle(rows)
    return write_rows(out, rows)


def _pairs(queries: Iterable[Judged], ranking: WordRanking, kind: str) -> Iterator[dict[str, Any]]:
    for query in queries:
        wrong = ranking.wrong(query, NEGATIVES[kind])
        for label, places in ((1, sorted(query.relevant)), (0, wrong)):
            for at in places:
                row = {"a": query.text, "b": ranking.texts[at], "label": label, "group": query.group, "kind": kind}
                yield row | {"id": f"{query.group}|{at}", "train_only": kind == "title"}


def _judged(folder: Path, corpus: Sequence[Mapping[str, Any]]) -> Iterator[Judged]:
    places = {row["_id"]: at for at, row in enumerate(corpus)}
    relevant: dict[str, set[int]] = {}
    for line in (folder / "qrels.dev.tsv").read_text(encoding="utf-8").splitlines():
        query, document, grade = line.split("\t")
        if grade.lstrip("-").isdigit() and int(grade) > 0 and document in places:
            relevant.setdefault(query, set()).add(places[document])
    for row in read_rows(folder / "queries.dev.jsonl"):
        if row["_id"] in relevant:
            yield Judged(f"{folder.name}-{row['_id']}", row["text"], frozenset(relevant[row["_id"]]))


def _title_pairs(corpus: Sequence[Mapping[str, Any]], folder: Path, chance: random.Random) -> list[dict[str, Any]]:
    titled = [row for row in corpus if row.get("title") and len(row["text"]) > 2 * len(row["title"])]
    if not titled:
        return []
    ranking = WordRanking([_without(row["text"], row["title"]) for row in titled], folder)
    chosen = chance.sample(range(len(titled)), min(TITLES, len(titled)))
    queries = [Judged(f"{folder.name}-{at}", titled[at]["title"], frozenset({at})) for at in sorted(chosen)]
    return list(_pairs(queries, ranking, "title"))


def _asked(labelled: Iterable[Labelled], passages: Sequence[Passage]) -> Iterator[Judged]:
    places = {(passage.group, passage.text): at for at, passage in enumerate(passages)}
    for row in labelled:
        at = places.get((row.passage.group, row.passage.text))
        if row.answerable and at is not None:
            yield Judged(f"{row.source}-{row.passage.group}", row.question, frozenset({at}))


def _shown(title: str, text: str) -> str:
    """Return a passage as the retriever shows it to a reranker: heading, then text."""
    return f"{title}\n{_without(text, title)}" if title else text


def _without(text: str, title: str) -> str:
    """Drop a title that the text repeats at its start, or matching the title alone would do."""
    return text.removeprefix(title).lstrip(" .\n") if title else text


def main() -> None:
    """Build the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    count = build(arguments.data, arguments.out)
    print(f"{count} rows")  # noqa: T201 - the command's result


if __name__ == "__main__":
    main()
