"""Keeps the indexes at the change log: newest snapshot, replay, then every change as it comes."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.db.bell import Bell
from core.db.changes import last_reset, last_seq
from core.db.generations import live_generation
from core.db.models import Generation
from core.db.session import Database
from core.errors import AttestError, IndexMismatch
from core.settings import EmbedderSettings, Settings
from models.encoder import Encoder, load_encoder
from retriever.analysis import name_of
from retriever.lexical import LexicalEntry, LexicalIndex
from retriever.log import as_matrix, final_ops, indexed_rows, slices
from retriever.milvus import MilvusCollection, collection_name
from retriever.snapshot import IndexIdentity, Published, load_newest, publish
from retriever.vectors import VectorIndex
from retriever.workplace import Workplace

logger = logging.getLogger(__name__)
PUBLISH_AFTER = 1000
"""Changes replayed since the last snapshot before another is worth its writing."""
PUBLISH_SHARE = 0.1
"""… and at least this share of the rows, so that a large index is not rewritten for a few."""
AGAIN_AFTER_S = 1.0
"""How long the thread waits after a failure, whatever the failure was of."""


@dataclass
class Indexes:
    """Both indexes of one generation and the log entry up to which they are complete."""

    identity: IndexIdentity
    encoder: Encoder
    vectors: VectorIndex
    lexical: LexicalIndex
    seq: int
    unpublished: int = 0


class Follower:
    """Owns the indexes of this process; `indexes` is `None` until the store has a generation."""

    def __init__(self, database: Database, settings: Settings, encoder: Encoder) -> None:
        self._database, self._settings, self._encoder = database, settings, encoder
        self._workplace = Workplace(settings.indexes)
        self._remote = MilvusCollection(database, settings) if settings.retrieval.index == "milvus" else None
        self._lock = threading.Lock()
        self._stop, self._bell = threading.Event(), Bell(database)
        self._thread: threading.Thread | None = None
        self._failing = False
        self.indexes: Indexes | None = None

    @property
    def encoder(self) -> Encoder:
        """The encoder of the generation that is followed."""
        return self._encoder

    @property
    def following(self) -> bool:
        """Whether the thread that follows the log is there, or none was started."""
        return self._thread is None or self._thread.is_alive()

    @property
    def trouble(self) -> str | None:
        """Why the indexes may be behind the log, `None` where nothing is known of it."""
        if not self.following:
            return "the thread that follows the change log has ended; start the server again"
        return "the change log could not be followed just now; the server's log says why" if self._failing else None

    @property
    def seq(self) -> int:
        """The log entry up to which this process's indexes are complete."""
        return self.indexes.seq if self.indexes is not None else 0

    def sync(self) -> int:
        """Replay the log to its end and return the seq reached.

        Raises:
            IndexMismatch: the store's vectors come from another encoder than ours.
        """
        with self._lock, self._database.read() as session:
            generation = live_generation(session)
            if generation is None:
                return self.seq
            self._encoder = self._encoder_of(generation)
            identity = IndexIdentity(generation.id, *_named(self._encoder), vectors=self._settings.retrieval.index)
            indexes = self.indexes
            reset = last_reset(session)
            if indexes is None or indexes.identity != identity or indexes.seq < reset:
                indexes = self._load(session, generation, identity, reset)
            with self._new_ones_discarded(indexes):
                _replay(session, indexes)
                if self._remote is not None:
                    self._remote.catch_up(session, generation, reset, indexes.seq)
            self._take(indexes)
            self._publish_if_due(indexes)
            return indexes.seq

    def start(self) -> None:
        """Follow the log in a thread of its own until `close`."""
        self._thread = threading.Thread(target=self._follow, name="index-follower", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following and remove this process's working files."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._bell.stop()
        if self._thread is not None:
            self._thread.join()
        self._bell.close()
        with self._lock:
            if self.indexes is not None:
                self.indexes.lexical.close()
                self.indexes = None
            self._workplace.close()

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self._bell.wait(self._settings.retrieval.follow_interval_s)
                if not self._stop.is_set():
                    self.sync()
                self._failing = False
            except Exception as error:  # whatever it was, a search that never follows again is worse than a try
                self._failing = True
                foreseen = isinstance(error, AttestError | SQLAlchemyError | OSError)
                logger.warning("the index could not follow the log, trying again: %s", error, exc_info=not foreseen)
                self._stop.wait(AGAIN_AFTER_S)

    @contextmanager
    def _new_ones_discarded(self, indexes: Indexes) -> Iterator[None]:
        """On a failure drop indexes that no search uses yet: each try loads new ones, and a full disk fills further."""
        try:
            yield
        except BaseException:
            if indexes is not self.indexes:
                _discard(indexes)
            raise

    def _encoder_of(self, generation: Generation) -> Encoder:
        """Return the encoder of a generation: ours, or another where the live one was switched while we serve."""
        ours, wanted = self._encoder, (generation.embedder, generation.revision, generation.dimension)
        if _named(ours) != wanted and self.indexes is not None:
            chosen = self._settings.embedder
            if chosen.model != generation.embedder:
                chosen = EmbedderSettings(model=generation.embedder, device=chosen.device)
            ours = load_encoder(chosen)
            logger.info("the live generation is %s now: following it", generation.embedder)
        if _named(ours) != wanted:
            raise IndexMismatch(
                f"the index was built with {generation.embedder} (revision {generation.revision}) and the settings "
                f"name {ours.name} (revision {ours.revision}). Restore that embedder, or run: attest reindex"
            )
        return ours

    def _load(self, session: Session, generation: Generation, identity: IndexIdentity, reset: int) -> Indexes:
        """Start from the newest snapshot of this identity made since the last reset, or from nothing."""
        place = self._workplace.fresh()
        folder = self._settings.indexes / f"g{identity.generation}"
        vectors = self._new_vectors(generation, reset)
        seqs = range(reset, last_seq(session) + 1)
        snapshot = load_newest(folder, identity, place, seqs, room=vectors.room)
        if snapshot is None:
            shutil.rmtree(place, ignore_errors=True)
            return Indexes(identity, self._encoder, vectors, LexicalIndex(place), seq=0)
        vectors.take(snapshot.ids, snapshot.versions)
        return Indexes(identity, self._encoder, vectors, LexicalIndex(place), snapshot.seq)

    def _new_vectors(self, generation: Generation, reset: int) -> VectorIndex:
        if self._remote is None:
            return VectorIndex(generation.dimension)
        from retriever.milvus_search import MilvusRows

        return MilvusRows(self._database, generation.dimension, collection_name(self._settings, generation, reset))

    def _take(self, indexes: Indexes) -> None:
        """Let searches use complete indexes, and drop those they replace."""
        old, self.indexes = self.indexes, indexes
        if old is not None and old is not indexes:
            _discard(old)

    def _publish_if_due(self, indexes: Indexes) -> None:
        due = max(PUBLISH_AFTER, PUBLISH_SHARE * indexes.vectors.view().count)
        if indexes.unpublished < due:
            return
        folder = self._settings.indexes / f"g{indexes.identity.generation}"
        indexes.lexical.settle()
        written = Published(indexes.identity, indexes.seq, indexes.vectors.view(), indexes.lexical.folder)
        publish(folder, written, self._workplace.fresh())
        indexes.unpublished = 0


def _discard(indexes: Indexes) -> None:
    indexes.lexical.close()
    shutil.rmtree(indexes.lexical.folder, ignore_errors=True)


def _named(encoder: Encoder) -> tuple[str, str, int]:
    return encoder.name, encoder.revision, encoder.dimension


def _replay(session: Session, indexes: Indexes) -> None:
    """Apply the log after `indexes.seq`; safe to repeat after a failure in the middle."""
    end = last_seq(session)
    if end == indexes.seq:
        return
    final = final_ops(session, indexes.identity.generation, indexes.seq, end)
    removed = [chunk_id for chunk_id, op in final.items() if op == "remove"]
    added = [chunk_id for chunk_id, op in final.items() if op == "add"]
    if indexes.seq:
        for ids in slices([*removed, *added]):  # the added ones too: none is ever there twice
            indexes.lexical.remove(ids)
    indexes.vectors.remove(removed)
    indexes.vectors.room(len(added))
    for ids in slices(added):
        _add_chunks(session, indexes, ids)
    if final:
        indexes.lexical.commit()
    indexes.unpublished += len(final)
    indexes.seq = end


def _add_chunks(session: Session, indexes: Indexes, ids: Sequence[int]) -> None:
    """Add chunks to both indexes; one that has been purged since its entry was written is passed over."""
    rows = indexed_rows(session, ids)
    if not rows:
        return
    vectors = as_matrix([row.vector for row in rows], indexes.identity.dimension)
    chunk_ids = np.array([row.id for row in rows], dtype=np.int64)
    versions = np.array([row.version_key for row in rows], dtype=np.int64)
    indexes.vectors.add(chunk_ids, versions, vectors)
    indexes.lexical.add(lexical_entries(rows))


def lexical_entries(rows: Iterable[Any]) -> Iterator[LexicalEntry]:
    """Yield what the word index keeps of rows of `indexed_rows`."""
    for row in rows:
        text = f"{row.heading}\n{row.text}" if row.heading else row.text
        yield LexicalEntry(row.id, row.version_key, row.language, text, name_of(row.title, row.source))
