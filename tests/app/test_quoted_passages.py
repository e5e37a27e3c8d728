"""What an output rail would take out of an answer is not shown beside it either: in quotes and in closest passages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest

from app.ask import ask, ask_events
from app.ask_cli import answer_text
from app.events import CitationReleased, Concluded
from app.footnotes import footnotes, with_footnotes, without_footnotes
from app.gate import Gate
from app.refusals import refused
from app.runtime import Runtime, open_runtime
from app.trace import Trace
from core.db.models import DocumentVersion
from core.settings import RailSettings
from core.types import OPERATOR, Query, Question, Verdict
from tests.conftest import KnowledgeBase
from tests.guardrails.test_exit_gate import active

SUM = "75 dollars"
CLASSIFIERS = ("toxicity", "prompt_injection", "harmful_requests", "indirect_injection")
POLICY = {"output.words": {"action": "redact"}, **{name: {"enabled": False} for name in CLASSIFIERS}}
QUESTION = Question("From what sum on are receipts needed for an expense?", OPERATOR, generator="quote")


@pytest.fixture
def guarded(own_knowledge_base: KnowledgeBase) -> Iterator[Runtime]:
    """The parts with a rail that takes a sum out of what leaves, and lets questions about it pass."""
    rails = RailSettings.model_validate({"blocked_words": [SUM], "policy": POLICY})
    with open_runtime(own_knowledge_base.settings.model_copy(update={"rails": rails}), follow=False) as runtime:
        yield runtime


def texts(runtime: Runtime) -> dict[str, str]:
    with runtime.database.read() as session:
        return {version.document.id: version.text for version in session.query(DocumentVersion)}


def test_a_citation_narrows_to_what_a_rail_lets_through_and_is_still_the_documents_text(guarded: Runtime) -> None:
    answer = ask(guarded, QUESTION)
    assert "[removed]" in answer.text
    assert SUM not in answer_text(answer) + with_footnotes(answer)
    assert any(citation.quote.startswith("Receipts are needed") for citation in answer.citations)
    for citation in answer.citations:
        assert citation.quote == texts(guarded)[citation.document_id][citation.start : citation.end]
    assert [verdict.action for verdict in answer.rails if (verdict.rail, verdict.stage) == ("words", "output")] == [
        "redact"
    ]


def test_a_streamed_citation_is_the_one_of_the_answer(guarded: Runtime) -> None:
    events = list(ask_events(guarded, QUESTION))
    streamed = tuple(event.citation for event in events if isinstance(event, CitationReleased))
    answers = [event.answer for event in events if isinstance(event, Concluded)]
    assert streamed
    assert streamed == answers[0].citations
    assert SUM not in str(events)


def test_the_closest_passages_of_a_refusal_are_narrowed_too(guarded: Runtime) -> None:
    trace = Trace(QUESTION)
    trace.hits = guarded.retriever.retrieve(Query(QUESTION.text), OPERATOR).hits
    assert any(SUM in hit.chunk.text for hit in trace.hits)
    answer = trace.answer(refused(guarded, trace, "insufficient_evidence"))
    assert answer.nearest
    assert SUM not in str(answer.nearest)
    assert all(near.text in texts(guarded)[near.document_id] for near in answer.nearest)
    assert ("words", "redact") in {(verdict.rail, verdict.action) for verdict in answer.rails}


def rails(**actions: str):  # type: ignore[no-untyped-def]
    """Rails that find one word each and take their action."""

    def check_output(text: str, *_: object) -> tuple[str, tuple[Verdict, ...]]:
        found = {word: action for word, action in actions.items() if word in text}
        for word, action in found.items():
            text = text.replace(word, "[gone]") if action == "redact" else text
        name = {"link": "exit_gate"}
        return text, tuple(Verdict(name.get(w, w), "output", a, 1.0, 0.5) for w, a in found.items())  # type: ignore[arg-type]

    return SimpleNamespace(check_output=check_output)


@pytest.mark.parametrize(
    ("passage", "shown"),
    [
        ("Nothing is found here.", "Nothing is found here."),
        ("The number of Ana Kowalski is secret, says Ben.", "The number of Ana Kowalski is"),
        ("secret: the number of Ana, secret.", "the number of Ana"),
        ("Rooms are let by a landlord. Ask the office for a room that is free. The landlord decides.",
         "Ask the office for a room that is free."),
        ("A landlord decides.", ""),
        ("secret", ""),
        ("A link is shown as the text it is.", "A link is shown as the text it is."),
    ],
)  # fmt: skip
def test_a_passage_is_cut_to_its_longest_part_without_a_finding(passage: str, shown: str) -> None:
    gate = Gate(rails(secret="redact", landlord="block", link="redact"), (), None)  # type: ignore[arg-type]
    ((start, end), untouched), said = gate.quotable([passage, "Another one."])
    assert passage[start:end] == shown
    assert untouched == (0, len("Another one."))
    assert {verdict.action for verdict in said} == (set() if shown == passage else {"redact"})


def test_a_citation_of_which_nothing_is_left_says_so(guarded: Runtime) -> None:
    answer = ask(guarded, QUESTION)
    emptied = replace(answer, citations=tuple(replace(c, end=c.start, quote="") for c in answer.citations))
    assert "“…”" in with_footnotes(emptied)
    assert "“…”" in answer_text(emptied)
    assert without_footnotes(with_footnotes(emptied)) == emptied.text


@pytest.mark.parametrize(
    ("quote", "shown"),
    [
        ("Receipts are needed above 75 dollars.", "“Receipts are needed above 75 dollars.”"),
        ("See ![x](http://evil.example/a.png) here.", "“See x here.”"),
        ("See <img src=http://evil.example/a.png> here.", "“See here.”"),
        ("Read [this](javascript:alert(1)) at http://evil.example/a", "“Read this at evil.example/a”"),
        ("Send <token> to <!-- ours", "“Send < token> to < !-- ours”"),
        ("![](http://evil.example/a.png)", "“…”"),
    ],
)
def test_a_footnote_loads_and_links_nothing_but_the_cited_document(guarded: Runtime, quote: str, shown: str) -> None:
    answer = ask(guarded, QUESTION)
    cited = replace(answer.citations[0], title="A <a href=x", source="https://docs.example.org/a?page=2", quote=quote)
    answer = replace(answer, citations=(cited,))
    note = footnotes(answer.citations)
    assert active(note, allowed=(cited.source,)) == []
    assert f"A < a href=x ({cited.source}, " in note
    assert note.endswith(f"): {shown}")
    assert without_footnotes(with_footnotes(answer)) == answer.text
    assert answer.to_json()["citations"][0]["quote"] == quote
