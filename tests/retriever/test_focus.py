from __future__ import annotations

import numpy as np
import pytest

from retriever.analysis import name_of, name_terms, named_in
from retriever.candidates import Candidates, rank
from retriever.focus import AMONG, focus, leading_version, with_names
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
    rows = view.positions(chosen)
    scores = (view.matrix[rows] @ query).astype(np.float32)
    return rank(chosen, rows, scores, np.zeros(len(chosen), dtype=np.float32), floor=0.0, dense_weight=0.5)


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
    assert focus(found, view, view.matrix[3], words, Words("rule"), 0.5).ids.tolist() == found.ids.tolist()


def test_removed_passages_do_not_come_back(index, words):
    index.remove([4])
    view = index.view()
    found = search(view, list(OWN)[10:25], view.matrix[5])
    assert 4 not in focus(found, view, view.matrix[5], words, Words("rule"), 0.5).ids


@pytest.fixture
def named(tmp_path):
    """Three long documents and twenty short ones, all of the same passage."""
    sizes = {"reports/BESTBUY_2022_10K.pdf": 12, "reports/VERIZON_2022_10K.pdf": 12, "reports/PEPSICO_2023Q1.pdf": 12}
    sizes |= {f"notes/zebra-{number}.md": 1 for number in range(60)}
    versions = np.repeat(np.arange(len(sizes)), list(sizes.values()))
    index = VectorIndex(8)
    index.add(np.arange(len(versions)), versions, np.ones((len(versions), 8), dtype=np.float32))
    words = LexicalIndex(tmp_path / "named")
    sources = list(sizes)
    words.add(
        LexicalEntry(at, version, "en", "quick ratio", name_of("Annual report", sources[version]))
        for at, version in enumerate(versions.tolist())
    )
    words.commit()
    yield index.view(), words, versions
    words.close()


@pytest.mark.parametrize(
    ("question", "version"),
    [
        ("How healthy is the quick ratio of Best Buy in FY2022?", 0),
        ("what is Verizon's quick ratio", 1),
        ("what is the quick ratio", None),
        ("the quick ratio of zebra 7", None),
    ],
)
def test_a_long_document_that_the_question_names_comes_first(named, question, version):
    view, words, versions = named
    even, at = np.full(len(versions), 0.5, dtype=np.float32), np.arange(len(versions))
    found = with_names(Candidates(at, at, even, even, even), view, words, Words(question))
    scores = found.fused
    assert scores.max() <= 1
    assert scores.min() >= 0
    best = set(versions[found.rows[scores == scores.max()]].tolist())
    assert best == ({version} if version is not None else set(versions.tolist()))


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("PEPSICO_2023Q1_EARNINGS", ["pepsico", "2023", "q1", "earnings"]),
        ("FY2022 10-K", ["fy", "2022", "10", "k"]),
        ("Règlement intérieur", ["règlement", "intérieur"]),
    ],
)
def test_names_are_taken_apart_at_figures_and_signs(text, terms):
    assert name_terms(text) == terms


def test_a_question_may_write_a_name_as_two_words():
    assert {"bestbuy", "best", "buy", "2023"} <= set(named_in("How did Best Buy do in 2023?"))
    assert "the" not in named_in("the law")
