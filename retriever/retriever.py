"""The retriever: permitted passages for a query, best first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from core.db.session import Database
from core.errors import InvalidInput
from core.settings import Settings
from core.types import Filters, Mode, Principal, Query, Retrieval, ScoredChunk
from models.encoder import Encoder
from retriever.authorise import authorised_passages, with_neighbours
from retriever.candidates import (
    Candidates,
    dense_scores,
    gather,
    lexical_scores,
    permitted_carry,
    rank,
)
from retriever.dense import DenseSearch, make_dense_search
from retriever.explain import Explanation, Trail, lost_before_search, lost_in_search
from retriever.focus import focus
from retriever.follower import Follower, Indexes
from retriever.fusion import NARROWEST
from retriever.glossary import Glossary, glossary_of
from retriever.lexical import LexicalHits, Words
from retriever.permitted import Permitted, PermittedCache
from retriever.question_map import question_map_of
from retriever.rerank import Reranker, make_reranker, rerank_hits, wants_rerank
from retriever.selection import Joined, choose, fold_near_duplicates
from retriever.timings import Timings

NO_FILTERS = Filters()


@dataclass(frozen=True, slots=True)
class Plan:
    """One search, its settings resolved."""

    query: Query
    principal: Principal
    filters: Filters
    k: int
    mode: Mode
    rerank: bool
    depth: int
    """Candidates asked of each index."""
    moved: bool
    """Whether the question map moves the question's vector."""


class Retriever:
    """Searches the indexes of a store on behalf of a principal; safe to call from several threads."""

    def __init__(self, database: Database, settings: Settings, follower: Follower) -> None:
        self._database, self._settings = database, settings
        self._follower = follower
        self._permitted = PermittedCache()
        self._dense: DenseSearch = make_dense_search(settings)
        self._reranker: Reranker | None = make_reranker(settings)
        self._glossary = glossary_of(settings.home) if settings.retrieval.glossary else Glossary({})

    @classmethod
    def open(cls, database: Database, settings: Settings, encoder: Encoder, *, follow: bool = True) -> Retriever:
        """Load the indexes, bring them to the end of the log and, with `follow`, keep them there.

        Raises:
            IndexMismatch: the store's vectors come from another encoder.
        """
        follower = Follower(database, settings, encoder)
        try:
            follower.sync()
            retriever = cls(database, settings, follower)
        except BaseException:
            follower.close()
            raise
        if follow:
            follower.start()
        return retriever

    @property
    def encoder(self) -> Encoder:
        """The encoder of the generation that is searched."""
        return self._follower.encoder

    @property
    def seq(self) -> int:
        """The log entry up to which the indexes are complete."""
        return self._follower.seq

    @property
    def following(self) -> bool:
        """Whether the thread that follows the log is there, or none was started."""
        return self._follower.following

    @property
    def trouble(self) -> str | None:
        """Why the indexes may be behind the log, `None` where nothing is known of it."""
        return self._follower.trouble

    def sync(self) -> int:
        """Replay the log to its end now and return the seq reached."""
        return self._follower.sync()

    def close(self) -> None:
        """Stop following and release the indexes."""
        self._follower.close()
        self._dense.close()

    def retrieve(
        self,
        query: Query,
        principal: Principal,
        *,
        filters: Filters = NO_FILTERS,
        k: int | None = None,
        mode: Mode | None = None,
        rerank: bool | None = None,
        min_seq: int | None = None,
    ) -> Retrieval:
        """Return the `k` best passages that the principal may read.

        `min_seq` waits for the indexes to hold that log entry, so that a caller reads its own writes.

        Raises:
            InvalidInput: `min_seq` is beyond the log, or `rerank` is asked for and no reranker is configured.
        """
        timings = Timings()
        with timings("total"):
            self._reach(min_seq)
            reranked = wants_rerank(self._settings.retrieval, rerank)  # said of an empty store too
            indexes = self._follower.indexes
            if indexes is None:
                return Retrieval((), timings.ms, self.seq)
            plan = self._plan(query, principal, filters, k, mode, reranked)
            with self._database.read() as session:
                with timings("permit"):
                    permitted = self._permitted.get(session, principal, filters)
                candidates = self._search(plan, indexes, permitted, timings)
                with timings("authorise"):
                    hits, _ = self._authorise(session, plan, candidates)
            with timings("rerank"):
                hits = self._rerank(plan, hits)
            with timings("join"):
                chosen = self._joined(choose(hits, plan.k, self._per_document(plan)))
        return Retrieval(tuple(chosen), timings.ms, indexes.seq)

    def explain(
        self,
        query: Query,
        principal: Principal,
        document_id: str,
        *,
        filters: Filters = NO_FILTERS,
        k: int | None = None,
        mode: Mode | None = None,
    ) -> Explanation:
        """Return the first step at which `retrieve` with the same options loses a document, and why."""
        indexes = self._follower.indexes
        if indexes is None:
            return Explanation("index", "the store holds no documents yet")
        view = indexes.vectors.view()
        plan = self._plan(query, principal, filters, k, mode, wants_rerank(self._settings.retrieval, None))
        with self._database.read() as session:
            found = lost_before_search(
                session, document_id, principal, filters, lambda chunk_id: chunk_id in view.row_of
            )
            if isinstance(found, Explanation):
                return found
            permitted = self._permitted.get(session, principal, filters)
            candidates = self._search(plan, indexes, permitted, Timings())
            hits, examined = self._authorise(session, plan, candidates)
        reranked = self._rerank(plan, hits)
        returned = choose(reranked, plan.k, self._per_document(plan))
        rows, _ = self._dense.search(
            view,
            _vector(indexes.encoder, plan.query, plan.moved)[None, :],
            permitted.rows(view),
            view.count,
        )
        words = indexes.lexical.search(_words(plan.query), view.count, permitted, len(rows[0]) / max(1, view.count))
        trail = Trail(
            dense=view.ids[rows[0]].tolist(),
            lexical=words.ids.tolist(),
            fused=candidates.ids.tolist(),
            examined=examined,
            authorised=[hit.chunk.id for hit in hits],
            reranked=[hit.chunk.id for hit in reranked],
            returned=[passage.best.chunk.id for passage in returned],
        )
        return lost_in_search(found, trail, plan.depth)

    def _reach(self, min_seq: int | None) -> None:
        if min_seq is not None and self.seq < min_seq and self.sync() < min_seq:
            raise InvalidInput(f"min_seq {min_seq} is beyond the end of the change log ({self.seq})")

    def _plan(
        self,
        query: Query,
        principal: Principal,
        filters: Filters,
        k: int | None,
        mode: Mode | None,
        rerank: bool,
    ) -> Plan:
        chosen = self._settings.retrieval
        k = chosen.k if k is None else k
        mode = mode or chosen.mode
        moved = chosen.question_map and mode == "hybrid"  # it is trained to find what words do not
        depth = max(chosen.candidates, 2 * k)
        return Plan(self._glossary.explained(query), principal, filters, k, mode, rerank, depth, moved)

    def _search(self, plan: Plan, indexes: Indexes, permitted: Permitted, timings: Timings) -> Candidates:
        """Ask both indexes, then score every candidate by both."""
        view, asked = indexes.vectors.view(), _words(plan.query)
        rows = permitted.rows(view)
        share = len(rows) / max(1, view.count)
        dense_ids, lexical = np.empty(0, dtype=np.int64), LexicalHits.none()
        vector = np.zeros(indexes.encoder.dimension, dtype=np.float32)
        if plan.mode != "lexical":
            with timings("embed"):
                vector = _vector(indexes.encoder, plan.query, plan.moved)
            with timings("dense"):
                best, _ = self._dense.search(view, vector[None, :], rows, plan.depth)
                dense_ids = view.ids[best[0]]
        if plan.mode != "dense":
            with timings("lexical"):
                lexical = indexes.lexical.search(asked, plan.depth, permitted, share)
        with timings("fuse"):
            ids = gather(dense_ids, lexical, permitted_carry(plan.query.carry, view, permitted), plan.mode)
            places = view.positions(ids)
            nothing = np.full(len(ids), np.nan, dtype=np.float32)
            dense = nothing if plan.mode == "lexical" else dense_scores(view, places, vector)
            words = nothing if plan.mode == "dense" else lexical_scores(indexes.lexical, ids, asked, lexical)
            weight = {"dense": 1.0, "lexical": 0.0, "hybrid": self._settings.retrieval.dense_weight}[plan.mode]
            found = rank(ids, places, dense, words, floor=float(view.centroid @ vector), dense_weight=weight)
        if plan.mode != "hybrid":
            return found
        with timings("focus"):
            return focus(found, view, vector, indexes.lexical, asked, weight)

    def _authorise(self, session: Session, plan: Plan, candidates: Candidates) -> tuple[list[ScoredChunk], int]:
        """Turn candidates into hits, batch by batch, until enough are left after folding; say how many it took."""
        need = max(plan.k, self._settings.retrieval.rerank_depth if plan.rerank else 0)
        step = 2 * need
        found: list[tuple[ScoredChunk, int]] = []
        hits: list[ScoredChunk] = []
        examined = 0
        for start in range(0, len(candidates.ids), step):
            ids = candidates.ids[start : start + step].tolist()
            passages = authorised_passages(session, ids, plan.principal, plan.filters)
            for at, chunk_id in enumerate(ids, start):
                passage = passages.get(chunk_id)
                if passage is not None:
                    found.append((passage.scored(candidates.scores(at)), passage.folds_into))
            hits, examined = fold_near_duplicates(found), start + len(ids)
            if len(choose(hits, need, self._per_document(plan), fill=False)) >= need:
                break
        return hits, examined

    def _rerank(self, plan: Plan, hits: list[ScoredChunk]) -> list[ScoredChunk]:
        if not plan.rerank or self._reranker is None:
            return hits
        return rerank_hits(self._reranker, plan.query.text, hits, self._settings.retrieval.rerank_depth)

    def _joined(self, passages: list[Joined]) -> list[ScoredChunk]:
        """Return passages as hits; the text of one with neighbours is that of all of them."""
        if all(passage.alone for passage in passages):
            return [passage.best for passage in passages]
        with self._database.read() as session:
            return [passage.best if passage.alone else with_neighbours(session, passage) for passage in passages]

    def _per_document(self, plan: Plan) -> int:
        """Return how many passages one document may have: no limit where the caller names the documents."""
        return plan.k if plan.filters.document_ids is not None else self._settings.retrieval.per_document


def _words(query: Query) -> Words:
    return Words(query.asked or query.text, query.earlier)


def _vector(encoder: Encoder, query: Query, moved: bool) -> NDArray[np.float32]:
    """Return the unit vector of what is asked, moved towards what was said before and towards where answers lie."""
    vectors = encoder.encode([query.asked or query.text, *(text for text, _ in query.earlier)], "query")
    move = question_map_of(encoder) if moved else None
    if move is not None:
        vectors = move(vectors)
    weights = np.array([1.0, *(weight for _, weight in query.earlier)], dtype=np.float32)
    mixed: NDArray[np.float32] = weights @ vectors
    return mixed / max(float(np.linalg.norm(mixed)), NARROWEST)
