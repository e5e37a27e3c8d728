"""Both scores of every candidate, whichever index found it."""

from __future__ import annotations

import numpy as np
import pytest

from retriever.candidates import lexical_scores
from retriever.lexical import FEW_VALUES, LexicalEntry, LexicalHits, LexicalIndex, Words
from retriever.permitted import Permitted
from retriever.vectors import VectorIndex

SIZE = 2 * FEW_VALUES + 100


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    words = LexicalIndex(tmp_path_factory.mktemp("words"))
    draw = np.random.default_rng(4)
    texts = (" ".join(draw.choice(["plan", "rule", "leave", "travel", "desk"], 6)) for _ in range(SIZE))
    words.add(LexicalEntry(at, at, "en", text) for at, text in enumerate(texts, 1))
    words.commit()
    yield words
    words.close()


@pytest.mark.parametrize("count", [1, 80, FEW_VALUES, FEW_VALUES + 1])
def test_what_the_search_scored_and_what_is_looked_up_agree(index, count):
    """Looking chunks up one by one and in one walk through all give the scores of the search over everything."""
    words = Words("travel plan")
    everything = Permitted(np.arange(1, SIZE + 1), 0, None)
    whole = index.search(words, SIZE, everything, 1.0)
    expected = dict(zip(whole.ids.tolist(), whole.scores.tolist(), strict=True))
    ids = np.sort(np.random.default_rng(count).choice(SIZE, count, replace=False)).astype(np.int64) + 1
    wanted = [expected.get(chunk_id, 0.0) for chunk_id in ids.tolist()]
    some = index.search(words, 50, everything, 1.0)
    for known in (None, LexicalHits.none(), some, whole):
        np.testing.assert_allclose(lexical_scores(index, ids, words, known), wanted, rtol=1e-5)


def test_rows_are_found_in_any_order_of_ids():
    index = VectorIndex(2)
    for ids in ([50, 60, 70], [10, 20], [65]):
        index.add(np.array(ids), np.array(ids), np.ones((len(ids), 2), dtype=np.float32))
    index.remove([60])
    index.add(np.array([60]), np.array([60]), np.ones((1, 2), dtype=np.float32))
    index.remove([20])
    view = index.view()
    asked = np.array([10, 20, 30, 50, 60, 65, 70, 99])
    rows = view.positions(asked)
    assert [int(view.ids[row]) if row >= 0 else None for row in rows] == [10, None, None, 50, 60, 65, 70, None]
    assert view.alive[rows[rows >= 0]].all()
    assert VectorIndex(2).view().positions(asked).tolist() == [-1] * len(asked)
