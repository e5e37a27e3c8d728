from pathlib import Path

import pytest

from core.settings import load_settings
from core.types import OPERATOR, Message, Question
from core.words import content_words
from generation.languages import message
from generation.rewrite import heard, own_words, rewrite
from generation.vllm import VllmGenerator
from tests.wire_double import wire_double

HISTORY = (Message("user", "How much annual leave do I accrue?"), Message("assistant", "8 hours per pay period."))


def test_a_question_that_stands_alone_is_left_as_it_is() -> None:
    text = "Who approves travel requests to Tokyo offices?"
    assert rewrite(Question(text, OPERATOR, history=HISTORY)).text == text
    assert rewrite(Question("And it?", OPERATOR)).text == "And it?"


def test_a_follow_up_takes_the_words_of_what_it_points_to_and_keeps_cited_chunks() -> None:
    query = rewrite(Question("When does it expire?", OPERATOR, history=HISTORY, cited_chunks=(7,)))
    assert query.text.startswith("When does it expire?")
    assert {"annual", "leave"} <= set(query.text.split())
    assert query.carry == (7,)
    assert query.asked == "When does it expire?"


def test_a_follow_up_is_searched_with_what_was_said_before_at_less_weight() -> None:
    text = "Who approves travel requests to Tokyo offices?"
    earlier = rewrite(Question(text, OPERATOR, history=HISTORY)).earlier
    assert [said for said, _ in earlier] == [message.content for message in HISTORY]
    assert all(0 < weight < 1 for _, weight in earlier)
    leaning = rewrite(Question("When does it expire?", OPERATOR, history=HISTORY)).earlier
    assert all(more > less for (_, more), (_, less) in zip(leaning, earlier, strict=True))
    assert rewrite(Question(text, OPERATOR)).earlier == ()


def test_a_model_server_rewrites_and_its_failure_falls_back_to_words(tmp_path: Path) -> None:
    question = Question("When does it expire?", OPERATOR, history=HISTORY)
    with wire_double(mode="say", say="When does annual leave expire?") as double:
        generation = load_settings(tmp_path).generation.model_copy(update={"vllm_urls": (double.url,), "retries": 0})
        assert rewrite(question, VllmGenerator(generation)).text == "When does annual leave expire?"
        double.mode = "error"
        assert "annual" in rewrite(question, VllmGenerator(generation)).text


def test_a_refusal_lends_a_follow_up_no_words() -> None:
    told = message("insufficient_evidence", "en") + " " + message("searched_in", "en", collection="hr")
    history = (Message("user", "Are speeding fines reimbursed?"), Message("assistant", told))
    query = rewrite(Question("And parking?", OPERATOR, history=history))
    assert content_words(query.text) == content_words("parking speeding fines reimbursed")
    assert [said for said, _ in query.earlier] == ["Are speeding fines reimbursed?"]


def test_own_words_are_those_that_were_not_lent() -> None:
    question = Question("And for interns?", OPERATOR, history=HISTORY)
    assert own_words(rewrite(question).text, HISTORY) == content_words("And for interns?")


@pytest.mark.parametrize(
    ("before", "asked", "whole"),
    [
        (
            "How fast does the Karhorn lift run?",
            "And the Zermell lift?",
            "How fast does the lift run? And the Zermell lift?",
        ),
        ("What is paid for nights?", "And on Sundays?", "What is paid for nights? And on Sundays?"),
        ("Who leads HR?", "What about Finance?", "Who leads? What about Finance?"),
    ],
)
def test_a_follow_up_that_names_another_thing_repeats_the_question(before: str, asked: str, whole: str) -> None:
    history = (Message("user", before), Message("assistant", "It is so. [1]"))
    query = rewrite(Question(asked, OPERATOR, history=history))
    assert (query.text, query.asked) == (whole, asked)
    later = (*history, Message("user", asked), Message("assistant", "It is so. [1]"))
    assert rewrite(Question("And the yard?", OPERATOR, history=later)).text == f"{before} And the yard?"
    assert own_words(query.text, history) == content_words(asked)


def test_a_follow_up_with_a_question_of_its_own_repeats_none() -> None:
    assert rewrite(Question("And what is it for?", OPERATOR, history=HISTORY)).text.startswith("And what is it for?")


def test_a_follow_up_is_heard_after_what_it_leans_on_in_the_words_that_were_said() -> None:
    query = rewrite(Question("When does it expire?", OPERATOR, history=HISTORY))
    assert heard(query.text, HISTORY) == f"{HISTORY[0].content} {HISTORY[1].content} When does it expire?"
    alone = "Who approves travel requests to Tokyo offices?"
    assert heard(alone, HISTORY) == alone
    assert heard("And it?", ()) == "And it?"


@pytest.mark.parametrize("asked", ["can i carry it over", "when does annual leave expire", "And for interns?", "why"])
def test_a_follow_up_is_heard_as_it_was_asked_also_where_its_words_were_said_before(asked: str) -> None:
    history = (Message("user", "how much annual leave can interns carry"), Message("assistant", "16 hours. [2]"))
    assert heard(rewrite(Question(asked, OPERATOR, history=history)).text, history).endswith(f" 16 hours. {asked}")


def test_what_a_long_follow_up_has_no_room_for_is_left_out_the_oldest_first() -> None:
    history = (
        Message("user", "Which lifts run in winter?"),
        Message("assistant", "The Karhorn lift."),
        Message("user", "How fast does it run?"),
        Message("assistant", "Nine metres a second, " * 20),
    )
    asked = "And is that the same when it snows, " + "as it often does, " * 12 + "or not?"
    told = heard(rewrite(Question(asked, OPERATOR, history=history)).text, history)
    assert told == f"How fast does it run? {asked}"
    assert len(heard(rewrite(Question("Why that?", OPERATOR, history=history)).text, history)) <= 300


def test_a_refusal_is_not_heard() -> None:
    told = message("insufficient_evidence", "en")
    history = (Message("user", "Are speeding fines reimbursed?"), Message("assistant", told))
    query = rewrite(Question("And parking?", OPERATOR, history=history))
    assert heard(query.text, history) == "Are speeding fines reimbursed? And parking?"
