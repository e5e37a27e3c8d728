"""The set of versions a search may rank, kept until the log or the clock makes it stale."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from core.clock import now
from core.db.access import permitted_until, retrievable_versions
from core.db.changes import last_seq
from core.types import Filters, Principal
from retriever.vectors import Rows, VectorView

KEPT = 256
"""Sets kept, one for each (principal, filters) seen lately."""


@dataclass(eq=False)
class Permitted:
    """Version keys a search may rank, as they stood at `seq`."""

    versions: NDArray[np.int64]
    seq: int
    fresh_until: datetime | None
    _rows: tuple[int, Rows] = field(default=(-1, np.empty(0, dtype=np.int64)))
    _table: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self._table = np.zeros(int(self.versions.max()) + 1 if len(self.versions) else 1, dtype=np.bool_)
        self._table[self.versions] = True

    def allows(self, versions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each version key whether it is in the set."""
        known = versions < len(self._table)
        return known & self._table[np.where(known, versions, 0)]

    def rows(self, view: VectorView) -> Rows:
        """Return the live rows of a view that may be ranked; kept for the newest view."""
        token, rows = self._rows
        if token != view.token:
            rows = np.flatnonzero(self.allows(view.versions) & view.alive)
            self._rows = (view.token, rows)
        return rows


class PermittedCache:
    """Answers from memory while nothing that decides permission has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sets: OrderedDict[tuple[object, ...], Permitted] = OrderedDict()
        self._pending: dict[tuple[object, ...], Future[Permitted]] = {}

    def get(self, session: Session, principal: Principal, filters: Filters) -> Permitted:
        """Return the permitted set of a principal under filters at the newest entry of the log.

        Of several threads that need the same new set one computes it and the others wait.
        """
        key = _key(principal, filters)
        seq = last_seq(session)
        moment = now()
        with self._lock:
            kept = self._sets.get(key)
            if kept is not None and kept.seq == seq and not _stale(kept, moment):
                self._sets.move_to_end(key)
                return kept
            pending = self._pending.get((key, seq))
            if pending is None:
                mine = self._pending[key, seq] = Future()
        if pending is not None:
            return pending.result()
        try:
            fresh = _compute(session, principal, filters, seq, moment)
            self._keep(key, fresh)
            mine.set_result(fresh)
            return fresh
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._pending[key, seq]

    def _keep(self, key: tuple[object, ...], fresh: Permitted) -> None:
        with self._lock:
            self._sets[key] = fresh
            self._sets.move_to_end(key)
            while len(self._sets) > KEPT:
                self._sets.popitem(last=False)


def _compute(session: Session, principal: Principal, filters: Filters, seq: int, moment: datetime) -> Permitted:
    fresh_until = None if filters.as_of is not None else permitted_until(session, moment)
    versions = _sorted_keys(session.scalars(retrievable_versions(principal, filters)))
    return Permitted(versions, seq, fresh_until)


def _key(principal: Principal, filters: Filters) -> tuple[object, ...]:
    plain = (
        filters.collection,
        filters.document_ids,
        filters.source_prefix,
        filters.media_type,
        filters.updated_after,
        filters.updated_before,
        filters.as_of,
        tuple(sorted(filters.metadata.items())),
    )
    return (principal.name, principal.groups, principal.operator, plain)


def _stale(kept: Permitted, moment: datetime) -> bool:
    return kept.fresh_until is not None and kept.fresh_until <= moment


def _sorted_keys(keys: Iterable[int]) -> NDArray[np.int64]:
    return np.sort(np.fromiter(keys, dtype=np.int64))
