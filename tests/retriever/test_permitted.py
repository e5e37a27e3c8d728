"""The set of permitted versions: one computation for all who need the same, and an error for all of them."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from core.types import OPERATOR, Filters, Principal
from retriever import permitted as subject
from retriever.permitted import PermittedCache

READERS = 6


@pytest.fixture
def others_wait(monkeypatch):
    """Return what waits until all readers but the one that computes wait for its set."""
    waiting = threading.Semaphore(0)

    class Pending(Future):
        def result(self, timeout=None):
            waiting.release()
            return super().result(timeout)

    monkeypatch.setattr(subject, "Future", Pending)

    def wait():
        for _ in range(READERS - 1):
            assert waiting.acquire(timeout=60), "not all of them wait for the one that computes"

    return wait


@pytest.fixture
def filled(library):
    library.add("one", ["A text."])
    return library


def ask_together(database, cache, principals):
    barrier = threading.Barrier(len(principals))

    def ask(principal):
        with database.read() as session:
            barrier.wait()
            return cache.get(session, principal, Filters())

    with ThreadPoolExecutor(len(principals)) as pool:
        return [pool.submit(ask, principal) for principal in principals]


def test_threads_that_need_the_same_set_compute_it_once(filled, database, monkeypatch, others_wait):
    computed, whole = [], subject._compute

    def slowly(session, principal, *rest):
        computed.append(principal.name)
        if principal is OPERATOR:
            others_wait()
        return whole(session, principal, *rest)

    monkeypatch.setattr(subject, "_compute", slowly)
    cache = PermittedCache()
    answers = ask_together(database, cache, [OPERATOR] * READERS + [Principal("user:eve")])
    sets = [answer.result() for answer in answers]
    assert sorted(computed) == sorted([OPERATOR.name, "user:eve"])
    assert all(one is sets[0] for one in sets[:READERS])
    assert len(sets[0].versions) == 1
    assert len(sets[READERS].versions) == 0


def test_an_error_reaches_everybody_and_is_not_kept(filled, database, monkeypatch, others_wait):
    def failing(*_):
        others_wait()
        raise OSError("the disk is gone")

    monkeypatch.setattr(subject, "_compute", failing)
    cache = PermittedCache()
    for answer in ask_together(database, cache, [OPERATOR] * READERS):
        with pytest.raises(OSError, match="disk"):
            answer.result()
    monkeypatch.undo()
    with database.read() as session:
        assert len(cache.get(session, OPERATOR, Filters()).versions) == 1
