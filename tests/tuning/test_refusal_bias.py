from tuning.judge import judge_weighed, summarize
from tuning.refusal_bias import balanced, choose_bias

ROW = {"answerable": True, "answers": ["240 hours"], "marker": 1}


def rows_of(margins):
    return [{"margin": margin, "token_f1": 0.5 if able else None} for margin, able in margins]


def test_a_model_that_refuses_too_readily_is_held_back():
    judged = rows_of([(2.0, True), (1.0, True), (3.0, True), (4.0, False), (5.0, False), (6.0, False)])
    assert balanced(judged, 0.0) == 0.5
    bias, score = choose_bias(judged)
    assert -4.0 < bias < -3.0
    assert score == balanced(judged, bias) == 1.0


def test_of_equally_good_biases_the_one_nearest_to_none_is_taken():
    assert choose_bias(rows_of([(-2.0, True), (-3.0, True), (2.0, False), (3.0, False)])) == (0.0, 1.0)


def test_a_bias_decides_between_the_refusal_and_the_answer():
    refused, answered = (judge_weighed({**ROW, "id": str(bias)}, 1.0, "240 hours [1]", bias) for bias in (0.0, -2.0))
    assert (refused.refused, refused.token_f1) == (True, 0.0)
    assert (answered.refused, answered.token_f1, answered.marker) == (False, 1.0, True)
    assert refused.otherwise == answered.otherwise
    assert summarize([refused, answered])["answered"] == 0.5
