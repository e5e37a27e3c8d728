from __future__ import annotations

import threading

import numpy as np
import pytest

from retriever import coarse as subject
from retriever.coarse import CoarseRows
from retriever.vectors import VectorIndex
from tests.retriever.test_vectors import DIMENSION, assert_best, keys, unit


@pytest.fixture
def coarse(monkeypatch):
    monkeypatch.setattr(subject, "BLOCK", 1024)  # several blocks and a tail at a size that is quick
    coarse = CoarseRows()
    yield coarse
    coarse.close()


@pytest.fixture
def index():
    index = VectorIndex(DIMENSION)
    index.add(keys(range(5000)), keys([1] * 5000), unit(5000, 1))
    return index


@pytest.mark.parametrize("share", [0.01, 0.4, 1.0])
@pytest.mark.parametrize("queries", [1, 4])
def test_it_equals_float64_brute_force_over_permitted_rows(coarse, index, share, queries):
    view = index.view()
    rows = np.flatnonzero(np.random.default_rng(3).random(5000) < share)
    for k in (1, 10, 100):
        found, scores = coarse.search(view, unit(queries, 5), rows, k)
        assert_best(view, unit(queries, 5), rows, k, found)
        assert (np.diff(scores, axis=1) <= 0).all()


def test_only_permitted_rows_leave_it(coarse, index):
    """Every row that is near the query is forbidden: a selector that is dropped would let them through."""
    view = index.view()
    query = view.matrix[100:101]
    nearest = np.argsort(-(view.matrix @ query[0]))
    rows = np.sort(nearest[2000:2600])
    found, _ = coarse.search(view, query, rows, 50)
    assert np.isin(found, rows).all()
    assert_best(view, query, rows, 50, found)


def test_growth_and_compaction_are_followed(coarse, index):
    for step in range(4):
        index.add(keys(range(5000 + step * 900, 5900 + step * 900)), keys([2] * 900), unit(900, 40 + step))
        index.remove(range(step * 600, step * 600 + 600))
        view = index.view()
        rows = np.flatnonzero(view.alive)
        found, _ = coarse.search(view, unit(2, 60 + step), rows, 10)
        assert_best(view, unit(2, 60 + step), rows, 10, found)


def test_threads_search_while_it_grows(coarse, index):
    wrong: list[str] = []

    def ask(number: int) -> None:
        view = index.view()
        rows = np.flatnonzero(view.alive)
        found, _ = coarse.search(view, unit(1, number), rows, 5)
        try:
            assert_best(view, unit(1, number), rows, 5, found)
        except AssertionError as error:
            wrong.append(str(error))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for at, thread in enumerate(threads):
        thread.start()
        index.add(keys(range(10_000 + at * 500, 10_500 + at * 500)), keys([3] * 500), unit(500, 80 + at))
    for thread in threads:
        thread.join()
    assert wrong == []
