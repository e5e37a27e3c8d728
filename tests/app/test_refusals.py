"""What an asker reads who gets no answer: in the asker's language, why, and how to go on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from sqlalchemy import select

from app.ask import ask
from app.conversations import recall
from app.gaps import find_gaps
from app.refusals import EXPLAINED, blocked, refused
from app.runtime import Runtime
from app.steps import weigh
from app.trace import Trace
from core.db.access import readable
from core.db.models import Document
from core.settings import RailSettings
from core.types import OPERATOR, Filters, Message, Principal, Question, Verdict
from generation.greetings import greeting_language
from generation.rewrite import rewrite
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


def test_a_greeting_is_told_what_can_be_asked_and_is_no_gap(runtime: Runtime) -> None:
    answer = ask(runtime, Question("Thank you very much!", Principal("user:ana", frozenset({"group:staff"}))))
    assert (answer.outcome, answer.reason) == ("refused", "greeting")
    assert not answer.citations
    assert "documents you may read" in answer.text
    assert find_gaps(runtime) == []
    titles = answer.text.partition("For example: ")[2]
    assert titles, "titles of documents show what can be asked"
    assert "documents" in ask(runtime, Question("hello", Principal("user:nobody", frozenset()))).text


def test_a_greeting_is_not_taken_for_abuse(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rails read English: "Guten Morgen" was stopped as abuse."""

    def block(*_: object) -> list[Verdict]:
        return [Verdict("toxicity", "input", "block", 1.0, 0.5)]

    monkeypatch.setattr("app.ask.check_input", block)
    assert ask(runtime, Question("Guten Morgen", OPERATOR)).reason == "greeting"
    assert ask(runtime, Question("Guten Morgen, wer genehmigt Reisen?", OPERATOR)).outcome == "blocked"


def test_a_greeting_names_only_what_its_asker_may_read(runtime: Runtime) -> None:
    stranger = Principal("user:nobody", frozenset())
    with runtime.database.read() as session:
        kept = set(session.scalars(select(Document.title).where(~readable(stranger))))
    told = ask(runtime, Question("hello", stranger)).text
    assert kept
    assert not [title for title in kept if title in told]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("hello", "en"),
        ("Hi there, thanks a lot!", "en"),
        ("What can you do?", "en"),
        ("Vielen Dank!", "de"),
        ("¡Hola!", "es"),
        ("Merci beaucoup", "fr"),
        ("你好，谢谢！", "zh"),
        ("Hello, who approves travel?", None),
        ("thanks, and how many days of leave?", None),
        ("help desk", None),
        ("Good leave?", None),
        ("?", "en"),
        ("!!! 🙂", "en"),
        ("5?", None),
    ],
)
def test_greetings_are_told_from_questions(text: str, language: str | None) -> None:
    assert greeting_language(text) == language


def test_a_text_without_a_word_is_answered_as_a_greeting_in_the_language_spoken_so_far(runtime: Runtime) -> None:
    german = (Message("user", GERMAN), Message("assistant", "Das weiß ich nicht."))
    for history, beginning in (((), "I look up questions"), (german, "Ich schlage Fragen")):
        for text in ("?", "...", "🙂"):
            answer = ask(runtime, Question(text, OPERATOR, history=history))
            assert (answer.outcome, answer.reason, answer.citations) == ("refused", "greeting", ())
            assert answer.text.startswith(beginning)


def test_a_greeting_offers_three_titles_where_many_documents_share_one(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        newest = session.scalars(select(Document).order_by(Document.key.desc()).limit(3)).all()
        for document in newest:
            document.title = "Minutes"
    titles = ask(runtime, Question("hello", OPERATOR)).text.partition("For example: ")[2].split(" · ")
    assert len(set(titles)) == len(titles) == 3


def test_a_title_in_a_greeting_loads_and_links_nothing(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        newest = session.scalars(select(Document).order_by(Document.key.desc()).limit(1)).one()
        newest.title = "![seen](http://evil.example/pixel) Rates"
    told = ask(runtime, Question("hello", OPERATOR)).text
    assert "Rates" in told
    assert "](" not in told
    assert "http:" not in told


def test_a_refusal_names_the_collection_that_was_searched(runtime: Runtime) -> None:
    question = Question("What is the airspeed of a swallow?", OPERATOR, Filters(collection="default"))
    answer = ask(runtime, question)
    assert answer.outcome == "refused"
    assert "“default”" in answer.text


def test_who_may_read_no_document_is_told_so(runtime: Runtime) -> None:
    text = "What is the airspeed of a swallow?"
    nowhere = ask(runtime, Question(text, OPERATOR, Filters(collection="nowhere")))
    assert (nowhere.outcome, nowhere.reason) == ("refused", "no_evidence")
    assert nowhere.text.startswith("There is no document here that you may read")
    assert "“nowhere”" in nowhere.text
    assert "no document" not in ask(runtime, Question(text, OPERATOR)).text


def test_a_refusal_tells_what_was_searched_only_of_what_says_that_it_is_a_follow_up(runtime: Runtime) -> None:
    history = (Message("user", "Who books flights?"), Message("assistant", "The travel desk books all flights. [1]"))
    for text, told in (("helicopter engine price", False), ("And what does it cost?", True)):
        trace = Trace(Question(text, OPERATOR, history=history))
        trace.query = rewrite(trace.question)
        assert trace.query.text != text
        assert ("I searched for" in refused(runtime, trace, "insufficient_evidence").text) == told


def test_a_refused_follow_up_reads_as_it_was_asked_and_tells_the_names_it_was_lent(runtime: Runtime) -> None:
    replied = "Dr Helena Brandt, the head of staff, decides on exceptions. [1]"
    history = (Message("user", "Who decides on exceptions?"), Message("assistant", replied))
    trace = Trace(Question("What is her phone number?", OPERATOR, history=history))
    trace.query = rewrite(trace.question)
    assert "head" in trace.query.text
    told = refused(runtime, trace, "insufficient_evidence").text
    assert "“What is her phone number?”" in told
    assert told.endswith("I read it with what was said before about Dr Helena Brandt.")


def test_a_greeting_in_between_does_not_stand_before_a_follow_up(runtime: Runtime) -> None:
    for text in ("How many hours of annual leave may full-time staff carry over?", "thanks!"):
        ask(runtime, Question(text, OPERATOR, conversation_id="c"))
    question = recall(runtime.database, Question("and part-time staff?", OPERATOR, conversation_id="c"))
    assert [message.role for message in question.history] == ["user", "assistant"]
    assert question.cited_chunks
    given = (Message("user", "Who books flights?"), Message("assistant", "Ana."), Message("user", "merci"))
    told = Question("and trains?", OPERATOR, history=(*given, Message("assistant", "I look up questions.")))
    assert recall(runtime.database, told).history == given[:2]


@pytest.mark.parametrize(("question", "reason"), [("lead time C-3001", None), ("And C-3001?", "insufficient_evidence")])
def test_a_short_question_is_weighed_alone_too_unless_it_points_back(question: str, reason: str | None) -> None:
    """Few words lean on the conversation by their number alone; they may as well be about something else."""
    weighed = SimpleNamespace(
        judges={},
        reason=lambda text, _, follows: (
            None if follows and text in ("lead time C-3001", "And C-3001?") else "insufficient_evidence"
        ),
    )
    runtime = SimpleNamespace(answerability=weighed, verifier=SimpleNamespace(revision=None))
    history = (Message("user", "Who books flights?"), Message("assistant", "The travel desk books all flights. [1]"))
    trace = Trace(Question(question, OPERATOR, history=history))
    trace.query = rewrite(trace.question)
    assert trace.standalone != question
    assert weigh(runtime, trace) == reason
    assert (trace.standalone == question) == (reason is None)
