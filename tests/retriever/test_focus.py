from __future__ import annotations

import numpy as np
import pytest

from retriever.candidates import rank
from retriever.focus import AMONG, focus, leading_version
from retriever.lexical import LexicalEntry, LexicalIndex, Words
from retriever.vectors import VectorIndex

OWN = range(1, 41)
OTHERS = range(41, 81)


@pytest.fixture
def index():
    """Forty passages of version 1, forty of forty others."""
    index = VectorIndex(8)
    rows = np.random.default_rng(0).standard_normal((80, 8)).astype(np.float32)
    versions = np.array([1] * 40 + list(range(2, 42)), dtype=np.int64)
    index.add(np.arange(1, 81, dtype=np.int64), versions, rows / np.linalg.norm(rows, axis=1, keepdims=True))
    return index


@pytest.fixture
def words(tmp_path):
    words = LexicalIndex(tmp_path / "words")
    words.add(LexicalEntry(at, 1 if at in OWN else at - 39, "en", f"rule {at}") for at in [*OWN, *OTHERS])
    words.commit()
    yield words
    words.close()


def search(view, ids, query):
    chosen = np.array(sorted(ids), dtype=np.int64)
    scores = (view.matrix[view.positions(chosen)] @ query).astype(np.float32)
    return rank(chosen, scores, np.zeros(len(chosen), dtype=np.float32), floor=0.0, dense_weight=0.5)


def test_all_passages_of_the_version_that_leads_become_candidates(index, words):
    view = index.view()
    query = view.matrix[3]
    found = search(view, [*list(OWN)[10:25], *list(OTHERS)[:5]], query)
    assert leading_version(view, found) == 1
    focused = focus(found, view, query, words, Words("rule"), 0.5)
    assert set(focused.ids.tolist()) == {*OWN, *list(OTHERS)[:5]}
    assert focused.ids[0] == 4
    assert list(focused.fused) == sorted(focused.fused, reverse=True)


def test_a_search_that_no_version_leads_is_left_as_it_is(index, words):
    view = index.view()
    found = search(view, [*list(OWN)[:11], *list(OTHERS)[: AMONG - 11]], view.matrix[3])
    assert leading_version(view, found) is None
    assert focus(found, view, view.matrix[3], words, Words("rule"), 0.5) is found


def test_removed_passages_do_not_come_back(index, words):
    index.remove([4])
    view = index.view()
    found = search(view, list(OWN)[10:25], view.matrix[5])
    assert 4 not in focus(found, view, view.matrix[5], words, Words("rule"), 0.5).ids
