"""What a blocked asker reads: in the asker's language, why, and how to go on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.refusals import EXPLAINED, blocked
from app.trace import Trace
from core.settings import RailSettings
from core.types import OPERATOR, Question, Verdict
from guardrails.rails import UNAVAILABLE

ENGLISH, GERMAN = "How many days of leave do I have?", "Wie viele Urlaubstage habe ich im Jahr?"


def said(rail: str, *, stage="input", reason="", question: str = ENGLISH, **rails) -> str:
    runtime = SimpleNamespace(
        settings=SimpleNamespace(rails=RailSettings(**rails)),
        generator=lambda _: SimpleNamespace(name="quote", model="quote"),
    )
    verdict = Verdict(rail, stage, "block", 0.9, 0.5, reason)
    conclusion = blocked(runtime, Trace(Question(question, OPERATOR)), verdict)
    assert (conclusion.outcome, conclusion.reason) == ("blocked", rail)
    return conclusion.text


def test_every_rail_says_something_of_its_own_and_the_others_name_themselves() -> None:
    texts = {rail: said(rail) for rail in EXPLAINED}
    assert len(set(texts.values())) == len(EXPLAINED)
    assert "export control" in said("export_control")
    assert not any("{" in text for text in texts.values())


def test_an_off_topic_question_is_told_what_can_be_asked() -> None:
    assert "Leave and travel" in said("domain", domain_description="Leave and travel")
    examples = ("How do I request leave?", "Who approves travel?")
    assert said("domain", domain_examples=examples).endswith(" · ".join(examples))


def test_a_check_that_cannot_run_is_not_blamed_on_the_question() -> None:
    assert "not working" in said("toxicity", reason=UNAVAILABLE)


def test_an_answer_that_is_held_back_is_not_blamed_on_the_question_either() -> None:
    assert said("toxicity", stage="output").startswith("I found an answer")


@pytest.mark.parametrize("rail", sorted(EXPLAINED))
def test_it_is_said_in_the_language_of_the_question(rail: str) -> None:
    assert said(rail, question=GERMAN) != said(rail)
