"""Train the map on question vectors (`retriever/question_map.py`) on questions whose passages are known.

    python -m evals.question_map --beir DATA/ir/scifact --beir DATA/ir/cranfield \\
        --beir DATA/ir/vaswani --out models/weights/question_map

Every second question (every second document, for a question set) is held out first, for the figures in the card; the
map that is written is trained on all of them. A passage's vector never changes: the loss is that of picking the right
passage out of all of its set by cosine and words together, as hybrid search does, so that the map learns what words do
not find; a penalty keeps a moved question near where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from core.db.models import ChunkRow, Document, EmbeddingRow
from core.db.session import Database
from evals.answers import Material, open_store
from evals.cases import read_cases
from evals.embedding_cache import CachedEncoder
from evals.home import throwaway_home
from evals.judging import Judge
from evals.passages import Span
from evals.retrieval import RetrievalSet
from evals.store import fill_from_corpus
from models.encoder import Encoder, load_encoder
from retriever.follower import lexical_entries
from retriever.fusion import NARROWEST
from retriever.lexical import LexicalIndex, Words
from retriever.log import indexed_rows, slices

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float32]
TEMPERATURE = 0.1
PENALTY = 1.0
"""Weight of the squared distance a question moves; with 2 or 4, or half the temperature, Cranfield gains less."""
EPOCHS = 8
MOST_OF_A_SET = 400
"""Questions of one set in an epoch, so that the largest does not decide alone."""
BATCH = 32
LEARNING_RATE = 1e-3


@dataclass(frozen=True, slots=True)
class Pairs:
    """A set: question vectors, passage vectors, the right passages of each question, what is held out together.

    `among` holds for each question the passages it is asked of, where that is not all of them.
    """

    name: str
    questions: Floats
    passages: Floats
    right: Sequence[Sequence[int]]
    groups: Sequence[str]
    among: Sequence[Sequence[int]] | None = None
    words: Floats | None = None
    """BM25 of every passage over the best of each question, shape (questions, passages); none: vectors alone."""

    def scores(self, rows: Sequence[int], moved: Floats) -> Floats:
        """Return what passages are ranked by: cosine and words; -1 for those a question is not asked of."""
        scores: Floats = moved @ self.passages.T
        if self.words is not None:
            floor = moved @ self.passages.mean(axis=0)
            scores = scores + (scores.max(axis=1) - floor)[:, None] * self.words[list(rows)]
        return np.where(self.asked_of(rows), scores, np.float32(-1))

    def asked_of(self, rows: Sequence[int]) -> NDArray[np.bool_]:
        """Return which passages questions are asked of, shape (rows, passages)."""
        allowed = np.full((len(rows), len(self.passages)), self.among is None)
        for at, row in enumerate(rows):
            if self.among is not None:
                allowed[at, list(self.among[row])] = True
        return allowed

    def halves(self) -> tuple[list[int], list[int]]:
        """Return the questions of every second group, and the others."""
        names = sorted(set(self.groups))
        first = set(names[::2])
        chosen = [at for at, group in enumerate(self.groups) if group in first]
        return chosen, [at for at, group in enumerate(self.groups) if group not in first]


def train(sets: Sequence[Pairs], rows: Mapping[str, Sequence[int]], seed: int = 7) -> Floats:
    """Return the matrix trained on chosen questions of each set."""
    import torch
    from torch.nn.functional import normalize

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    dimension = sets[0].passages.shape[1]
    matrix = torch.zeros(dimension, dimension, requires_grad=True)
    optimizer = torch.optim.AdamW([matrix], lr=LEARNING_RATE)
    passages = {pairs.name: torch.from_numpy(pairs.passages) for pairs in sets}
    plan = list(_batches(sets, rows, rng))
    for step, (pairs, batch) in enumerate(plan):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1 - step / len(plan))
        asked = torch.from_numpy(pairs.questions[batch])
        moved = normalize(asked + asked @ matrix, dim=1)
        logits = _with_words(pairs, batch, moved, moved @ passages[pairs.name].T) / TEMPERATURE
        logits = logits.masked_fill(~torch.from_numpy(pairs.asked_of(batch)), -1e4)
        right = torch.zeros_like(logits, dtype=torch.bool)
        for at, question in enumerate(batch):
            right[at, list(pairs.right[question])] = True
        chosen = torch.logsumexp(logits.masked_fill(~right, -1e4), 1)
        loss = (torch.logsumexp(logits, 1) - chosen).mean() + PENALTY * ((moved - asked) ** 2).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    result: Floats = matrix.detach().numpy()
    return result


def _with_words(pairs: Pairs, batch: list[int], moved: Tensor, cosines: Tensor) -> Tensor:
    """Add to cosines what words say of passages, as far as the best cosine is above that of an average passage."""
    import torch

    if pairs.words is None:
        return cosines
    floor = moved @ torch.from_numpy(pairs.passages.mean(axis=0))
    reach = (cosines.max(dim=1).values - floor).detach()
    return cosines + reach[:, None] * torch.from_numpy(pairs.words[batch])


def _batches(
    sets: Sequence[Pairs], rows: Mapping[str, Sequence[int]], rng: np.random.Generator
) -> Iterator[tuple[Pairs, list[int]]]:
    for _ in range(EPOCHS):
        plan: list[tuple[Pairs, list[int]]] = []
        for pairs in sets:
            order = rng.permutation(np.array(rows[pairs.name], dtype=np.int64))[:MOST_OF_A_SET].tolist()
            plan += [(pairs, order[start : start + BATCH]) for start in range(0, len(order), BATCH)]
        for at in rng.permutation(len(plan)).tolist():
            yield plan[at]


def recall_at_5(pairs: Pairs, rows: Sequence[int], matrix: Floats | None) -> float:
    """Return the share of questions with a right passage among the first five of those they are asked of."""
    from retriever.question_map import QuestionMap

    asked = pairs.questions[list(rows)]
    moved = asked if matrix is None else QuestionMap(matrix)(asked)
    nearest = np.argsort(-pairs.scores(rows, moved), axis=1)[:, :5]
    return float(np.mean([bool(set(pairs.right[row]) & set(near)) for row, near in zip(rows, nearest, strict=True)]))


def read_beir(folder: Path, half: str = "dev") -> Pairs:
    """Embed a BEIR set: every passage of a relevant document is right."""
    named = RetrievalSet.read(folder / "corpus.jsonl", folder / f"queries.{half}.jsonl", folder / f"qrels.{half}.tsv")
    asked = [text for _, text in named.queries]
    with throwaway_home() as settings:
        database = Database.open(settings)
        encoder = load_encoder(settings.embedder)
        cached: Any = CachedEncoder(encoder)
        try:
            fill_from_corpus(named.corpus, database=database, settings=settings, encoder=cached)
            found = _stored(database)
            words = _word_scores(database, asked)
        finally:
            database.close()
    by_source: dict[str, list[int]] = defaultdict(list)
    for at, source in enumerate(found.sources):
        by_source[source].append(at)
    right = [
        [at for source, grade in named.grades[name].items() if grade > 0 for at in by_source[source]]
        for name, _ in named.queries
    ]
    pairs = _pairs(folder.name, encoder, asked, found, right, [name for name, _ in named.queries])
    return replace(pairs, words=words[[at for at, passages in enumerate(right) if passages]])


def read_questions(questions: Path, docs: Path) -> Pairs:
    """Embed a question set over documents: of the first document's passages, those that meet the evidence are right."""
    with open_store(Material((docs,)), questions) as (runtime, store):
        found = _stored(runtime.database)
        judge = Judge(store)
        cases = [case for case in read_cases(questions) if case.answerable and case.evidence]
        by_document: dict[str, list[int]] = defaultdict(list)
        for at, document in enumerate(found.documents):
            by_document[document].append(at)
        right = [
            [
                at
                for place in judge.places(case)
                for at in by_document[place.document.id]
                if place.span is not None and found.spans[at].meets(place.span)
            ]
            for case in cases
        ]
        asked = [case.question for case in cases]
        groups = [case.documents[0] for case in cases]
        pairs = _pairs(docs.parent.name, runtime.encoder, asked, found, right, groups)
        among = [by_document[identifier] for name in pairs.groups for identifier in store.find(name)[:1]]
        return replace(pairs, among=among)


@dataclass(frozen=True, slots=True)
class _Stored:
    vectors: Floats
    sources: list[str]
    documents: list[str]
    spans: list[Span]


def _stored(database: Database) -> _Stored:
    with database.read() as session:
        rows = session.execute(
            select(EmbeddingRow.vector, Document.source, Document.id, ChunkRow.start, ChunkRow.end)
            .join(ChunkRow, ChunkRow.id == EmbeddingRow.chunk_id)
            .join(Document, Document.key == ChunkRow.document_key)
            .order_by(ChunkRow.id)
        ).all()
    vectors = np.stack([np.frombuffer(row.vector, dtype="<f4") for row in rows])
    return _Stored(vectors, [r.source for r in rows], [r.id for r in rows], [Span(r.start, r.end) for r in rows])


def _word_scores(database: Database, asked: Sequence[str]) -> Floats:
    """Return BM25 of every passage of a store, in the order of their ids, over the best of each question."""
    with tempfile.TemporaryDirectory(prefix="attest-words-") as folder, database.read() as session:
        ids = session.scalars(select(ChunkRow.id).order_by(ChunkRow.id)).all()
        index = LexicalIndex(Path(folder))
        for part in slices(ids):
            index.add(lexical_entries(indexed_rows(session, part)))
        index.commit()
        place = {chunk_id: at for at, chunk_id in enumerate(ids)}
        scores = np.zeros((len(asked), len(ids)), dtype=np.float32)
        for row, text in zip(scores, asked, strict=True):
            found = index.score(Words(text), ids)
            row[[place[chunk_id] for chunk_id in found]] = list(found.values())
        index.close()
    scores /= np.maximum(scores.max(axis=1, keepdims=True), NARROWEST)
    return scores


def _pairs(
    name: str,
    encoder: Encoder,
    asked: Sequence[str],
    found: _Stored,
    right: Sequence[Sequence[int]],
    groups: Sequence[str],
) -> Pairs:
    known = [at for at, passages in enumerate(right) if passages]
    vectors = encoder.encode([asked[at] for at in known], "query")
    return Pairs(name, vectors, found.vectors, [right[at] for at in known], [groups[at] for at in known])


def write(folder: Path, sets: Sequence[Pairs], encoder: Encoder) -> dict[str, Any]:
    """Measure on held-out halves, train on everything, write the map and its card; return the card."""
    from safetensors.numpy import save_file

    halves = {pairs.name: pairs.halves() for pairs in sets}
    held = train(sets, {name: first for name, (first, _) in halves.items()})
    figures = {
        pairs.name: {
            "questions": len(pairs.right),
            "recall@5_before": recall_at_5(pairs, halves[pairs.name][1], None),
            "recall@5_held_out": recall_at_5(pairs, halves[pairs.name][1], held),
        }
        for pairs in sets
    }
    matrix = train(sets, {pairs.name: range(len(pairs.right)) for pairs in sets})
    card = {
        "embedder": encoder.name,
        "revision": encoder.revision,
        "penalty": PENALTY,
        "by set, cosine and words": figures,
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"matrix": matrix.astype(np.float16)}, folder / "map.safetensors")
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def main() -> None:
    """Train by the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beir", type=Path, action="append", default=[])
    parser.add_argument("--questions", action="append", default=[], metavar="QUESTIONS=DOCS")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    sets = [read_beir(folder) for folder in options.beir]
    sets += [read_questions(*map(Path, pair.split("=", 1))) for pair in options.questions]
    with throwaway_home() as settings:
        card = write(options.out, sets, load_encoder(settings.embedder))
    sys.stdout.write(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    main()
