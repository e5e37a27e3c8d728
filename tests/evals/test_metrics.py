import math

import pytest

from evals import metrics


def test_ndcg_uses_linear_gain_and_log2_discount():
    grades = {"a": 3, "b": 1, "c": 0}
    ideal = 3 / math.log2(2) + 1 / math.log2(3)
    assert metrics.ndcg(["b", "x", "a"], grades, 10) == pytest.approx((1 + 3 / math.log2(4)) / ideal)
    assert metrics.ndcg(["a", "b"], grades, 10) == pytest.approx(1.0)


def test_ndcg_cuts_the_ideal_list_at_k_too():
    grades = {str(n): 1 for n in range(20)}
    assert metrics.ndcg([str(n) for n in range(10)], grades, 10) == pytest.approx(1.0)


def test_negative_grades_are_not_relevant():
    assert metrics.ndcg(["a"], {"a": -1, "b": 1}, 10) == 0.0
    assert metrics.recall(["a"], {"a": -1}, 10) is None
    assert metrics.reciprocal_rank(["a"], {"a": 0}, 10) is None


def test_recall_and_reciprocal_rank_look_no_deeper_than_k():
    grades = {"a": 1, "b": 2}
    assert metrics.recall(["x", "a", "b"], grades, 2) == 0.5
    assert metrics.reciprocal_rank(["x", "a"], grades, 10) == 0.5
    assert metrics.reciprocal_rank(["x", "a"], grades, 1) == 0.0


def test_squad_normalisation_drops_articles_case_and_punctuation():
    assert metrics.normalise("The  U.S. Army, an army.") == "us army army"


def test_contains_matches_whole_words_only():
    assert metrics.contains("It lasted 240 hours.", ["240 hours"]) is True
    assert metrics.contains("It lasted 1240 hours.", ["240 hours"]) is False
    assert metrics.contains("anything", ["the"]) is None
    assert metrics.contains("anything", []) is None


def test_token_f1_takes_the_best_gold_answer():
    assert metrics.token_f1("the Normans", ["Vikings", "Normans"]) == 1.0
    assert metrics.token_f1("10th century", ["the first half of the 10th century"]) == pytest.approx(2 * 2 / (2 + 5))
    assert metrics.token_f1("", ["Normans"]) == 0.0
    assert metrics.token_f1("anything", []) is None


def test_token_recall_counts_repetitions():
    assert metrics.token_recall("one two", "one one two two") == 0.5
    assert metrics.token_recall("anything", " ") is None


def test_refusals_are_right_where_the_documents_hold_no_answer():
    pairs = [(True, False), (True, True), (False, False), (False, True), (False, True)]
    assert metrics.refusal_precision(pairs) == 0.5
    assert metrics.refusal_recall(pairs) == 0.5
    assert metrics.false_refusal_rate(pairs) == pytest.approx(1 / 3)
    assert metrics.refusal_recall([(True, True)]) is None
    assert metrics.refusal_precision([(False, True)]) is None


def test_percentile_interpolates_as_numpy_does():
    assert metrics.percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.5
    assert metrics.percentile([1.0, 2.0], 95) == pytest.approx(1.95)
    assert metrics.percentile([], 50) is None


def test_mean_leaves_out_what_cannot_be_judged():
    assert metrics.mean([True, None, False]) == 0.5
    assert metrics.mean([None]) is None
