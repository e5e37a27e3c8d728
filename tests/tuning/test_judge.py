from generation.prompts import NOT_FOUND
from tests.tuning.tiny_model import save_tiny_model
from tuning.judge import Variant, judge, run_variant, summarize, token_f1

ROW = {"id": "a", "answerable": True, "answers": ["240 hours", "240"], "marker": 2}
NONE = {"id": "b", "answerable": False, "kind": "tempting"}


def test_words_count_without_articles_case_and_punctuation():
    assert token_f1("The 240 hours.", "240 hours") == 1.0
    assert token_f1("240 hours a year", "240 hours") == 0.8
    assert token_f1("none", "240 hours") == 0.0


def test_a_reply_is_judged_by_its_words_and_its_one_marker():
    right, wrong, both = (judge(ROW, reply) for reply in ("240 hours [2]", "240 hours [1]", "240 hours [1][2]"))
    assert (right.token_f1, right.marker) == (1.0, True)
    assert wrong.marker is both.marker is False
    assert judge(ROW, "240 hours").marker is False


def test_refusing_an_answerable_row_scores_nothing_and_has_no_marker():
    refused = judge(ROW, NOT_FOUND)
    assert (refused.token_f1, refused.marker, refused.refused) == (0.0, None, True)
    figures = summarize([refused, judge(ROW, "240 [2]"), judge(NONE, NOT_FOUND), judge(NONE, "240 [1]")])
    assert figures["token_f1"] == 0.5
    assert figures["marker"] == 1.0
    assert figures["balanced_refusal"] == 0.5
    assert figures["refused_tempting"] == 0.5


def test_a_batch_gives_the_replies_of_single_prompts(tmp_path):
    model = save_tiny_model(tmp_path)
    rows = [
        {**ROW, "id": str(n), "messages": [{"role": "user", "content": "where rain " + "falls " * n}]} for n in range(5)
    ]
    one, many = (run_variant(model, Variant("zero"), rows, batch=size, timed=2) for size in (1, 5))
    replies = [{item["id"]: item["reply"] for item in report["judged"]} for report in (one, many)]
    assert replies[0] == replies[1]
    assert many["single_ms"]["p50"] > 0


def test_a_reply_ends_with_what_ends_a_turn_in_the_template(tmp_path):
    from transformers import AutoTokenizer

    from generation.stops import stop_ids
    from tuning.ptune_rows import reply_text

    tokenizer = AutoTokenizer.from_pretrained(save_tiny_model(tmp_path))
    tokenizer.eos_token = "<s>"  # what some files call the end, although their template ends turns with another token
    messages = [{"role": "user", "content": "where"}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert reply_text(tokenizer, messages, prompt, "hill [1]") == "hill [1]</s>"
    assert {1, 2} <= set(stop_ids(tokenizer))
