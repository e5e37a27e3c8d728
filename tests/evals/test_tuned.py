import pytest

from evals.tuned import figures, judge, paired_interval, with_examples

ROW = {
    "id": "1",
    "answerable": True,
    "answers": ["240 hours"],
    "marker": 2,
    "target": "240 hours [2]",
    "messages": [
        {"role": "system", "content": "Rules.\n\nPassages:\n\n<passage>text</passage>"},
        {"role": "user", "content": "Question: how many?"},
    ],
}
UNKNOWN = ROW | {"id": "2", "answerable": False, "answers": [], "marker": None}


def test_an_answer_is_judged_by_words_marker_and_refusal():
    right = judge(ROW, "240 hours [2]")
    assert (right["token_f1"], right["contains"], right["marker_right"], right["refused"]) == (1.0, True, True, False)
    assert judge(ROW, "240 hours [1]")["marker_right"] is False
    refused = judge(ROW, "NOT_IN_DOCUMENTS")
    assert (refused["token_f1"], refused["marker_right"]) == (0.0, None)
    assert judge(UNKNOWN, "80 hours [1]")["token_f1"] is None


def test_refusals_are_balanced_over_both_kinds():
    rows = [judge(ROW, "240 hours [2]"), judge(ROW, "NOT_IN_DOCUMENTS"), judge(UNKNOWN, "NOT_IN_DOCUMENTS")]
    found = figures(rows)
    assert (found["refusal_recall"], found["false_refusal_rate"]) == (1.0, 0.5)
    assert found["balanced_refusal"] == 0.75


def test_examples_come_with_their_own_passages_and_the_rules_once():
    messages = with_examples(ROW, [ROW, UNKNOWN | {"target": "NOT_IN_DOCUMENTS"}])
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert messages[0]["content"] == "Rules."
    assert "<passage>" in messages[1]["content"]
    assert messages[2]["content"] == "240 hours [2]"


def test_the_interval_of_a_difference_is_paired():
    better = [judge(ROW, "240 hours [2]")] * 30
    worse = [judge(ROW, "80 days [2]")] * 30
    assert paired_interval(better, worse, "token_f1") == (1.0, 1.0)
    low, high = paired_interval(better, better, "token_f1")
    assert (low, high) == pytest.approx((0.0, 0.0))
    assert paired_interval([judge(UNKNOWN, "x")], [judge(UNKNOWN, "x")], "token_f1") is None
