"""A collection's rail policy holds whether a question names the collection or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from app.ask import ask, ask_events
from app.events import Concluded
from app.runtime import Runtime, open_runtime
from app.steps import check_input, redact
from app.summarize import Subject, summarize
from app.trace import Trace
from core.settings import RailSettings
from core.types import OPERATOR, Answer, Filters, Message, Question
from tests.conftest import KnowledgeBase

SUM = "75 dollars"
TEXT = "From what sum on are receipts needed for an expense?"
CLASSIFIERS = ("toxicity", "prompt_injection", "harmful_requests", "indirect_injection")
OFF = {name: {"enabled": False} for name in CLASSIFIERS}
Opened = Callable[[dict[str, Any]], AbstractContextManager[Runtime]]


@pytest.fixture
def opened(own_knowledge_base: KnowledgeBase) -> Opened:
    """The parts with a sum among the blocked words, under a policy."""

    @contextmanager
    def opening(policy: dict[str, Any]) -> Iterator[Runtime]:
        rails = RailSettings.model_validate({"blocked_words": [SUM], "policy": {**OFF, **policy}})
        settings = own_knowledge_base.settings.model_copy(update={"rails": rails})
        with open_runtime(settings, follow=False) as runtime:
            yield runtime

    return opening


def whole(runtime: Runtime, question: Question) -> Answer:
    return ask(runtime, question)


def streamed(runtime: Runtime, question: Question) -> Answer:
    return next(event.answer for event in ask_events(runtime, question) if isinstance(event, Concluded))


@pytest.mark.parametrize("way", [whole, streamed])
@pytest.mark.parametrize("named", [None, "default"])
def test_what_a_collection_blocks_is_blocked_without_its_name(opened: Opened, way: Any, named: str | None) -> None:
    policy = {"output.words": {"action": "allow", "collections": {"default": "block"}}}
    with opened(policy) as runtime:
        answer = way(runtime, Question(TEXT, OPERATOR, filters=Filters(collection=named), generator="quote"))
    assert (answer.outcome, answer.reason) == ("blocked", "words")
    assert SUM not in answer.text


def test_what_only_another_collection_blocks_is_answered(opened: Opened) -> None:
    policy = {"output.words": {"action": "allow", "collections": {"other": "block"}}}
    with opened(policy) as runtime:
        answer = ask(runtime, Question(TEXT, OPERATOR, generator="quote"))
    assert SUM in answer.text


def test_a_summary_of_a_document_has_the_policy_of_its_collection(opened: Opened) -> None:
    policy = {"output.words": {"action": "allow", "collections": {"default": "redact"}}}
    with opened(policy) as runtime:
        cited = ask(runtime, Question(TEXT, OPERATOR, generator="quote")).citations[0].document_id
        answer = summarize(runtime, Subject(OPERATOR, document_id=cited), generator="quote")
    assert SUM not in answer.text + str(answer.citations)


def test_blocked_words_are_taken_out_of_questions_and_of_what_was_said_before(opened: Opened) -> None:
    said = (Message("user", f"Is it {SUM}?"), Message("assistant", "Yes."))
    with opened({"input.words": {"action": "redact"}}) as runtime:
        trace = Trace(Question(f"Are receipts needed for {SUM}?", OPERATOR, history=said))
        redact(runtime, trace, check_input(runtime, trace.question))
    assert trace.question.text == "Are receipts needed for [removed]?"
    assert [message.content for message in trace.question.history] == ["Is it [removed]?", "Yes."]
