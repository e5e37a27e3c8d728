"""The GPU search: permission, uploads, batching, fall-back, on the CPU device of torch; bench/gpu runs it on CUDA."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest

from retriever import gpu as subject
from retriever.gpu import GpuSearch
from retriever.permitted import Permitted
from retriever.vectors import VectorIndex, search_rows
from tests.retriever.test_vectors import DIMENSION, assert_best, keys, unit


@pytest.fixture
def search():
    search = GpuSearch("cpu")
    yield search
    search.close()


@pytest.fixture
def index():
    index = VectorIndex(DIMENSION)
    index.add(keys(range(1, 2001)), keys(n // 10 for n in range(2000)), unit(2000, 1))
    return index


def permitted_rows(view, share, seed=2):
    versions = np.random.default_rng(seed).permutation(200)[: max(1, round(200 * share))]
    return Permitted(np.sort(versions.astype(np.int64)), 0, None).rows(view)


@pytest.mark.parametrize("share", [0.005, 0.1, 0.49, 0.7, 1.0])
@pytest.mark.parametrize("queries", [1, 20])
def test_it_equals_float64_brute_force_over_permitted_rows(search, index, share, queries):
    view = index.view()
    rows = permitted_rows(view, share)
    for k in (1, 10, 100):
        found, scores = search.search(view, unit(queries, 3), rows, k)
        assert_best(view, unit(queries, 3), rows, min(k, len(rows)), found)
        assert (np.diff(scores, axis=1) <= 0).all()
    assert search.faults == 0


def test_adds_removals_and_compaction_are_followed(search, index):
    chance = np.random.default_rng(4)
    alive, following = list(range(1, 2001)), 2001
    for step in range(8):
        fresh = list(range(following, following + 700))
        index.add(keys(fresh), keys([step] * 700), unit(700, step))
        following += 700
        alive += fresh
        gone = chance.choice(alive, 500, replace=False).tolist()
        index.remove(gone)
        alive = sorted(set(alive) - set(gone))
        view = index.view()
        rows = np.flatnonzero(view.alive)
        found, _ = search.search(view, unit(3, 90 + step), rows, 10)
        assert_best(view, unit(3, 90 + step), rows, 10, found)
        assert set(view.ids[found].ravel().tolist()) <= set(alive)
    assert search.faults == 0


def test_requests_that_meet_are_answered_each_its_own(search, index):
    view = index.view()
    sets = [permitted_rows(view, share, seed) for share, seed in ((1.0, 1), (0.3, 2), (0.8, 3))]
    expected = [search_rows(view, unit(1, n), sets[n % 3], 5 + n % 4)[0] for n in range(48)]
    answers: dict[int, np.ndarray] = {}

    def ask(number: int) -> None:
        answers[number] = search.search(view, unit(1, number), sets[number % 3], 5 + number % 4)[0]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(48)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((answers[number] == expected[number]).all() for number in range(48))


def test_a_fault_answers_from_the_cpu_and_the_gpu_is_tried_again(search, index, monkeypatch, caplog):
    view = index.view()
    rows = permitted_rows(view, 0.3)
    expected = search_rows(view, unit(1, 7), rows, 10)[0]
    working = subject._Resident.search

    def fail(*_arguments):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(subject, "RETRY_AFTER_S", 0.0)
    monkeypatch.setattr(subject._Resident, "search", fail)
    with caplog.at_level(logging.ERROR):
        assert (search.search(view, unit(1, 7), rows, 10)[0] == expected).all()
    assert search.faults == 1
    assert "illegal memory access" in caplog.text
    monkeypatch.setattr(subject._Resident, "search", working)
    assert (search.search(view, unit(1, 7), rows, 10)[0] == expected).all()
    assert search.faults == 1


def test_after_repeated_faults_it_stays_on_the_cpu(search, index, monkeypatch):
    calls = []

    def fail(*_arguments):
        calls.append(1)
        raise RuntimeError("out of memory")

    monkeypatch.setattr(subject, "RETRY_AFTER_S", 0.0)
    monkeypatch.setattr(subject._Resident, "search", fail)
    view = index.view()
    for _ in range(6):
        assert search.search(view, unit(1, 7), np.arange(2000), 10)[0].shape == (1, 10)
    assert len(calls) == subject.FAULTS_TO_GIVE_UP
    assert search.faults == 6


def test_after_closing_the_cpu_answers(index):
    search = GpuSearch("cpu")
    search.close()
    assert search.search(index.view(), unit(1, 7), np.arange(2000), 10)[0].shape == (1, 10)


@pytest.mark.parametrize("columns", [5, 640, 64 * 50, 64 * 50 + 13])
def test_grouped_selection_equals_selection(columns):
    import torch

    scores = torch.from_numpy(np.random.default_rng(6).standard_normal((7, columns)).astype(np.float32))
    scores[0] = -float("inf")
    scores[0, columns // 2 :: 3] = 1.0
    for k in (1, 5):
        chosen = scores.gather(1, subject._select(scores, k))
        assert torch.equal(chosen.sort(dim=1).values, scores.topk(k, dim=1).values.sort(dim=1).values)
