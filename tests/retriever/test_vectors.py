from __future__ import annotations

import numpy as np
import pytest

from retriever import vectors as subject
from retriever.permitted import Permitted
from retriever.vectors import VectorIndex, search_rows

DIMENSION = 48


def unit(rows: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((rows, DIMENSION)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def keys(numbers) -> np.ndarray:
    return np.array(list(numbers), dtype=np.int64)


@pytest.fixture
def filled() -> VectorIndex:
    """3,000 chunks, ten a version, of which every seventh is gone again."""
    index = VectorIndex(DIMENSION)
    rows = unit(3000, 1)
    for start in range(0, 3000, 500):
        ids = np.arange(start, start + 500)
        index.add(keys(ids + 1), keys(ids // 10), rows[start : start + 500])
    index.remove([number + 1 for number in range(0, 3000, 7)])
    return index


def assert_best(view, queries, rows, k, found):
    """The rows found are the best of float64 brute force; only scores closer than float32 can tell may swap."""
    exact = queries.astype(np.float64) @ view.matrix.astype(np.float64).T
    best = -np.sort(-exact[:, rows], axis=1)[:, :k]
    assert found.shape == best.shape
    assert np.isin(found, rows).all()
    assert all(len(set(row.tolist())) == len(row) for row in found)
    np.testing.assert_allclose(np.take_along_axis(exact, found, axis=1), best, atol=1e-6)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.49, 0.6, 1.0])
@pytest.mark.parametrize("queries", [1, 3, 70])
def test_it_equals_float64_brute_force_over_permitted_rows(filled, share, queries, monkeypatch):
    monkeypatch.setattr(subject, "BLOCK_SCORES", 4096)  # many blocks even at this size
    view = filled.view()
    versions = np.random.default_rng(2).permutation(300)[: max(1, round(300 * share))]
    permitted = Permitted(np.sort(versions.astype(np.int64)), 0, None)
    rows = permitted.rows(view)
    assert view.alive[rows].all()
    assert set(view.versions[rows].tolist()) <= set(versions.tolist())
    for k in (1, 10, 100, 5000):
        found, scores = search_rows(view, unit(queries, 3), rows, k)
        assert_best(view, unit(queries, 3), rows, k, found)
        assert (np.diff(scores, axis=1) <= 0).all()


def test_equal_scores_come_in_row_order():
    index = VectorIndex(DIMENSION)
    index.add(keys(range(100)), keys([1] * 100), np.repeat(unit(1, 5), 100, axis=0))
    found, _ = search_rows(index.view(), unit(1, 5), np.arange(100), 100)
    assert found[0].tolist() == list(range(100))


def test_a_view_keeps_its_moment(filled):
    before = filled.view()
    matrix, ids, alive = before.matrix.copy(), before.ids.copy(), before.alive.copy()
    filled.add(keys(range(5001, 9001)), keys([7] * 4000), unit(4000, 8))
    filled.remove(list(range(1, 3001)))
    assert (before.matrix == matrix).all()
    assert (before.ids == ids).all()
    assert (before.alive == alive).all()
    assert before.positions(keys([6000])).tolist() == [-1]
    after = filled.view()
    assert after.count == 4000
    assert after.positions(keys([5001, 2, 99999])).tolist()[1:] == [-1, -1]
    assert after.ids[after.positions(keys([5001]))[0]] == 5001


def test_adding_twice_adds_once_and_removing_the_absent_is_nothing(filled):
    count = filled.view().count
    filled.add(keys([2, 3]), keys([0, 0]), unit(2, 4))
    filled.remove([123456])
    assert filled.view().count == count


def test_the_centroid_is_the_mean_of_the_living(filled):
    view = filled.view()
    np.testing.assert_allclose(view.centroid, view.matrix[view.alive].mean(axis=0), atol=1e-6)


def test_an_id_may_come_back(filled):
    filled.remove([2])
    vector = unit(1, 77)
    filled.add(keys([2]), keys([5]), vector)
    view = filled.view()
    row = view.positions(keys([2]))[0]
    assert (view.matrix[row] == vector[0]).all()
    assert view.versions[row] == 5


def test_rows_written_into_the_room_become_rows_when_taken(filled):
    before, rows = filled.view(), unit(5000, 9)
    room = filled.room(5000)
    room[:] = rows
    assert filled.view().count == before.count
    filled.take(keys(range(10_000, 15_000)), keys(range(5000)))
    view = filled.view()
    np.testing.assert_array_equal(view.matrix[view.positions(keys(range(10_000, 15_000)))], rows)
    np.testing.assert_allclose(view.centroid, view.matrix[view.alive].mean(axis=0), atol=1e-6)


def test_an_id_that_is_there_is_not_taken_again(filled):
    filled.room(2)[:] = unit(2, 9)
    for twice in ([2, 9000], [9000, 9000]):
        with pytest.raises(ValueError, match="twice"):
            filled.take(keys(twice), keys([1, 1]))
    assert 9000 not in filled.view().row_of
