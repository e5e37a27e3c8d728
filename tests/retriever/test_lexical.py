from __future__ import annotations

import numpy as np
import pytest

from core.errors import StoreUnavailable
from retriever.lexical import LexicalEntry, LexicalIndex, Words
from retriever.permitted import Permitted


@pytest.fixture
def index(tmp_path):
    index = LexicalIndex(tmp_path / "words")
    yield index
    index.close()


def permit(*versions: int) -> Permitted:
    return Permitted(np.array(sorted(versions), dtype=np.int64), 0, None)


def fill(index, texts, language="en"):
    index.add(LexicalEntry(at + 1, at + 1, language, text) for at, text in enumerate(texts))
    index.commit()


def found(index, query, *, n=10, permitted=None, share=1.0):
    return index.search(
        query if isinstance(query, Words) else Words(query), n, permitted or permit(*range(1, 1000)), share
    ).ids.tolist()


def test_words_match_by_their_stem_and_case(index):
    fill(index, ["The committee approves expenses.", "Nothing here."])
    assert found(index, "APPROVING an expense") == [1]


def test_a_raised_mark_is_no_part_of_a_number_or_word(index):
    fill(index, ["The fee is 250¹ euros a berth².", "A hall of 2501 seats."])
    assert found(index, "250") == [1]
    assert found(index, "berth") == [1]
    assert found(index, "2501") == [2]


def test_stop_words_alone_find_nothing(index):
    fill(index, ["The committee approves expenses."])
    assert found(index, "the of and") == []


@pytest.mark.parametrize("identifier", ["ISO-27001/B", "v1.2.3", "foo_bar", "ada@example.org", "12-34"])
def test_identifiers_are_found_whole(index, identifier):
    parts = identifier.replace("-", " ").replace("/", " ").replace(".", " ").replace("_", " ").replace("@", " ")
    fill(
        index, [f"Parts {parts} {parts} {parts} apart.", f"Exactly {identifier}, once, in a longer sentence than that."]
    )
    assert found(index, identifier.lower())[0] == 2


@pytest.mark.parametrize(
    ("language", "text", "query"),
    [
        ("de", "Die Häuser wurden verkauft.", "Haus verkaufen Häusern"),
        ("fr", "Les employés reçoivent leurs congés.", "employé congé"),
        ("ru", "Сотрудники получают отпуск.", "сотрудника отпуска"),
        ("zh", "员工每年有二十天带薪假期。", "带薪假期"),
        ("ja", "従業員は年次有給休暇を取得できます。", "有給休暇"),
        ("xx", "Qapla' batlh je.", "qapla"),
    ],
)
def test_every_language_is_analysed_its_own_way(index, language, text, query):
    index.add([LexicalEntry(1, 1, language, text), LexicalEntry(2, 2, "en", "An English sentence stands beside it.")])
    index.commit()
    assert found(index, query)[:1] == [1]


@pytest.mark.parametrize("share", [0.01, 1.0])
def test_permission_comes_before_the_cut(index, share):
    fill(
        index, [f"budget budget budget {n}" for n in range(300)] + ["a long sentence on one budget among other things"]
    )
    assert found(index, "budget", n=1, permitted=permit(301), share=share) == [301]
    assert found(index, "budget", n=5, permitted=permit(), share=share) == []


@pytest.mark.parametrize("share", [0.01, 1.0])
def test_both_ways_of_permission_rank_alike(index, share):
    words = ["leave", "pay", "board", "travel", "lab"]
    fill(index, [" ".join(words[: n % 5 + 1]) + f" {n}" for n in range(400)])
    allowed = permit(*range(1, 401, 3))
    hits = index.search(Words("travel pay"), 50, allowed, share)
    assert set(hits.ids.tolist()) <= set(range(1, 401, 3))
    assert len(hits.ids) == 50
    other = index.search(Words("travel pay"), 50, allowed, 1.01 - share)
    np.testing.assert_allclose(hits.scores, other.scores, atol=1e-5)


def test_scores_of_given_chunks_are_those_of_the_search(index):
    fill(index, [f"travel {'pay ' * n}" for n in range(1, 20)])
    hits = index.search(Words("pay"), 10, permit(*range(1, 100)), 1.0)
    scores = index.score(Words("pay"), [*hits.ids.tolist(), 777])
    assert scores == pytest.approx(dict(zip(hits.ids.tolist(), hits.scores.tolist(), strict=True)))


def test_words_said_earlier_lead_but_weigh_less_than_what_is_asked(index):
    fill(index, ["leave for parents", "travel pay", "leave and travel", "pay"])
    assert found(index, Words("leave", (("travel travel", 0.3),)))[:2] == [3, 1]
    assert set(found(index, Words("leave", (("travel", 0.3), ("leave", 0.1))))) == {1, 2, 3}


def test_removed_chunks_are_gone_after_commit_and_the_folder_can_be_reopened(tmp_path):
    index = LexicalIndex(tmp_path / "words")
    fill(index, ["alpha one", "alpha two", "alpha three"])
    index.remove([2])
    assert 2 in found(index, "alpha")
    index.commit()
    assert sorted(found(index, "alpha")) == [1, 3]
    index.close()
    again = LexicalIndex(tmp_path / "words")
    assert sorted(found(again, "alpha")) == [1, 3]
    assert again.count == 2
    again.close()


def test_a_folder_that_cannot_be_written_just_now_is_written_again_later(tmp_path):
    index = LexicalIndex(tmp_path / "words")
    fill(index, ["alpha one"])
    (tmp_path / "words").rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="word index cannot be written"):
            fill(index, ["beta", "beta"])
    assert found(index, "alpha") == [1]
    (tmp_path / "away").rename(tmp_path / "words")
    index.add([LexicalEntry(2, 2, "en", "alpha two")])
    index.commit()
    assert sorted(found(index, "alpha")) == [1, 2]
    assert found(index, "beta") == []
    index.close()
