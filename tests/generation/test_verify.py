from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.settings import Settings, load_settings
from core.types import Draft, Evidence, Message
from generation.answerable import Answerability
from generation.cite import parse_draft
from generation.exact import mismatch
from generation.fragments import fragments
from generation.generators import write_draft
from generation.passages import passage_text, passages_of
from generation.quote import QuoteGenerator
from generation.settle import Settled, settle
from generation.verify import Verified, Verifier
from tests.generation.passages import CONTACT, LEAVE, RATES, evidence_of

EVIDENCE = evidence_of(LEAVE, CONTACT, RATES)
DOCUMENTS = {item.hit.chunk.document_id: "x" * 100 + item.hit.chunk.text for item in EVIDENCE}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path)


def verify(settings: Settings, text: str, evidence: tuple[Evidence, ...] = EVIDENCE) -> Verified:
    return Verifier(settings).verify("How much leave?", Draft(text, "vllm", "m"), evidence)


def settled_by(
    judge: Answerability,
    settings: Settings,
    question: str,
    draft: Draft,
    evidence: tuple[Evidence, ...] = EVIDENCE,
) -> Settled:
    return settle(
        question,
        draft,
        evidence,
        verifier=Verifier(settings),
        quote=QuoteGenerator(settings),
        answerability=judge,
    )


def test_every_quote_equals_its_slice_and_lies_in_its_document(settings: Settings) -> None:
    done = verify(settings, "After 15 years you accrue 8 hours per pay period [1]. Report phishing with Cofense [2].")
    assert len(done.citations) == 2
    for citation in done.citations:
        assert DOCUMENTS[citation.document_id][citation.start : citation.end] == citation.quote
    assert "8 hours" in done.citations[0].quote


def test_a_wrong_citation_is_replaced_by_the_one_that_supports(settings: Settings) -> None:
    done = verify(settings, "You can carry over a maximum of 240 annual leave hours to the next year [2].")
    assert [citation.document_id for citation in done.citations] == ["d1"]
    assert done.claims[0].verdict == "supported"


@pytest.mark.parametrize(
    "claim",
    [
        "You can carry over a maximum of 340 annual leave hours to the next year [1].",
        "The incident response team is led by Peter Miller [2].",
        "You cannot carry over a maximum of 240 annual leave hours to the next year [1].",
        "The moon is made of green cheese [1].",
    ],
)
def test_a_changed_number_name_or_negation_is_not_supported(settings: Settings, claim: str) -> None:
    done = verify(settings, claim)
    assert all(claim.verdict != "supported" for claim in done.claims)


def test_what_fails_is_removed_or_marked_by_policy(settings: Settings) -> None:
    text = "Report a phishing email with Cofense [2]. The moon is made of green cheese [1]."
    assert verify(settings, text).text == "Report a phishing email with Cofense. [1]"
    marking = settings.model_copy(
        update={"answers": settings.answers.model_copy(update={"unsupported_claims": "mark"})}
    )
    marked = verify(marking, text)
    assert [claim.verdict for claim in marked.claims] == ["supported", "unsupported"]
    assert marked.claims[1].citations == ()


def test_a_draft_of_which_nothing_holds_gives_way_to_quotes_and_a_refusal_is_believed(settings: Settings) -> None:
    question = "Which tool do I use to report a phishing email?"
    settled = settled_by(Answerability(settings), settings, question, Draft("The moon is green.", "vllm", "m"))
    assert settled.draft.generator == "quote"
    assert "Cofense" in settled.verified.text
    declined = settled_by(Answerability(settings), settings, question, Draft("NOT_IN_DOCUMENTS", "vllm", "m"))
    assert declined.verified.reason == "insufficient_evidence"
    nothing = settled_by(Answerability(settings), settings, question, Draft("The moon is green.", "vllm", "m"), ())
    assert nothing.verified.reason == "unsupported_draft"


def test_a_stream_releases_what_the_whole_draft_would(settings: Settings) -> None:
    text = "Report a phishing email with Cofense. [2] The moon is made of green cheese. [1]\n"
    text += "You may use annual leave for any reason [1]."
    whole = verify(settings, text)
    released = list(Verifier(settings).verify_stream("?", iter(text), EVIDENCE))
    assert "".join(item.added for item in released) == whole.text
    assert tuple(item.claim for item in released) == whole.claims
    assert tuple(citation for item in released for citation in item.citations) == whole.citations


def test_a_quote_answer_is_verbatim_short_and_supported(settings: Settings) -> None:
    question = "What is the rate in Tokyo?"
    draft = write_draft(QuoteGenerator(settings), question, EVIDENCE)
    done = Verifier(settings).verify(question, draft, EVIDENCE)
    assert "City: Tokyo; Rate: 120 USD" in done.text
    assert 1 <= len(done.claims) <= 3
    assert {claim.verdict for claim in done.claims} == {"supported"}
    assert all(DOCUMENTS[c.document_id][c.start : c.end] == c.quote for c in done.citations)


def test_a_row_of_a_table_that_was_cut_takes_its_names_from_the_headings() -> None:
    (item,) = evidence_of("| Net income | 7,514 | 8,060 |\n| Deferred taxes | (1,189) | 294 |\n")
    chunk = replace(item.hit.chunk, heading="Cash flows › Operating\n| Millions | 2022 | 2021 |")
    cut = replace(item, hit=replace(item.hit, chunk=chunk))
    told = [passage_text(passage) for passage in passages_of([cut])]
    assert told == [
        "Millions: Net income; 2022: 7,514; 2021: 8,060",
        "Millions: Deferred taxes; 2022: (1,189); 2021: 294",
    ]


def test_a_few_words_answer_only_the_question_that_they_answer(settings: Settings) -> None:
    question, told = "Who leads the incident response team?", Draft("Maria Santos [2].", "embedded", "m")
    done = Verifier(settings).verify(question, told, EVIDENCE)
    assert [claim.text for claim in done.claims] == [
        "Maria Santos.",
        "The incident response team is led by Maria Santos.",
    ]
    assert [citation.quote for citation in done.citations] == ["The incident response team is led by Maria Santos."]
    released = list(Verifier(settings).verify_stream(question, iter(told.text), EVIDENCE))
    assert "".join(item.added for item in released) == done.text
    elsewhere = Verifier(settings).verify("Which tool do I use to report a phishing email?", told, EVIDENCE)
    assert elsewhere.reason == "unsupported_draft"


def test_the_small_model_that_declines_is_not_believed_where_the_evidence_is_sure(settings: Settings) -> None:
    class Sure(Answerability):
        def sure(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> bool:
            return question.startswith("Which")

    declined = Draft("NOT_IN_DOCUMENTS", "embedded", "m")
    quoted = settled_by(Sure(settings), settings, "Which tool do I use to report a phishing email?", declined)
    assert quoted.draft.generator == "quote"
    assert "Cofense" in quoted.verified.text
    refused = settled_by(Sure(settings), settings, "What tool do I use to report a phishing email?", declined)
    assert refused.verified.reason == "insufficient_evidence"


def test_one_of_several_equal_replies_is_cited_after_its_own_question(settings: Settings) -> None:
    asked = ("May I use a private laptop?", "May I lend my badge to a visitor?", "May I eat in the lab?")
    evidence = evidence_of("\n\n".join(f"Q: {question}\nA: No." for question in asked))
    told = f"Q: {asked[1]} [1] A: No. [1]"
    done = Verifier(settings).verify(asked[1], Draft(told, "quote", "m"), evidence)
    assert [citation.quote for citation in done.citations] == [f"Q: {asked[1]}", f"Q: {asked[1]}\nA: No."]
    released = list(Verifier(settings).verify_stream(asked[1], iter(told), evidence))
    assert tuple(citation for item in released for citation in item.citations) == done.citations


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        ("The discount is 35 Prozent of it.", "The discount is 3,5 Prozent of it."),
        ("The fee is 7 Euro a year.", "The fee is 7.000 Euro a year."),
        ("The fee is 251 Euro a year.", "The fee is 25¹ Euro a year."),
    ],
)
def test_a_number_that_is_another_in_every_reading_is_unsupported(settings: Settings, claim: str, told: str) -> None:
    (passage,) = passages_of(evidence_of(told))
    assert mismatch(claim, passage) == "number"
    (same,) = passages_of(evidence_of(told.replace("7.000", "7000").replace("25¹", "25")))
    assert mismatch(told, same) is None


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        ("The late fee is 3. [1]", "The late fee is 3.5%."),
        ("The late fee is 3 [1]", "The late fee is 3 % of the sum due each month."),
        ("The late fee is 15 [1]", "The late fee is 150 euros and is due at once."),
        ("The crew is 3. [1]", "The crew is 3–5 people on most days of a week."),
        ("5 hours a week are paid. [1]", "They say that 1.5 hours a week are paid."),
        ("3 degrees are the limit. [1]", "In the hall −3 degrees are the limit."),
        ("The form is for rent. [1]", "The form is for rental cars of guests."),
    ],
)
def test_words_that_go_on_in_the_passage_do_not_stand_in_it(settings: Settings, claim: str, told: str) -> None:
    done = Verifier(settings).verify("", Draft(claim, "vllm", "m"), evidence_of(told))
    assert all(checked.score < 1.0 for checked in done.claims)
    (fragment,) = parse_draft(claim, (1,))
    assert fragments(fragment.text, passages_of(evidence_of(told))) == []


def test_words_that_stand_in_the_passage_are_quoted_with_their_stop(settings: Settings) -> None:
    told = "By the rules of 2024 the late fee is 3.5%. More is never charged."
    done = Verifier(settings).verify("", Draft("the late fee is 3.5%. [1]", "vllm", "m"), evidence_of(told))
    assert [claim.score for claim in done.claims] == [1.0]
    assert [citation.quote for citation in done.citations] == ["the late fee is 3.5%."]
