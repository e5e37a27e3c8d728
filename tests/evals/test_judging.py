from datetime import UTC, datetime

import pytest

from core.types import Answer, Chunk, Citation, Claim, ScoredChunk, Scores
from evals.cases import Case, EvidenceRef
from evals.judging import Judge, summarise
from evals.passages import DocumentText, Span

TEXT = "Page one speaks of leave. " * 4 + "Page two speaks of pay. " * 4
CUT = TEXT.index("Page two")


class OneDocument:
    """A store of one document with two pages and two sections, read without a database."""

    def find(self, name):
        return ("d1",) if name in {"handbook.pdf", "leave.md"} else ()

    def text(self, identifier):
        spans = {1: Span(0, CUT), 2: Span(CUT, len(TEXT))}
        return DocumentText(
            identifier, "/docs/handbook.pdf", TEXT, spans, {"section 1": spans[1], "section 2": spans[2]}
        )


def citation(start, end, document="d1", also_in=()):
    return Citation(1, document, 1, "Handbook", "/x", None, start, end, TEXT[start:end], 0.9, also_in=also_in)


def answered(text="Pay is monthly [1].", outcome="answered", citations=()):
    return Answer("a", outcome, text, None, (), tuple(citations), (), "m", "quote", 0, {})


def hit(start, end, document="d1"):
    chunk = Chunk(1, document, 1, 0, start, end, None, "", TEXT[start:end])
    return ScoredChunk(chunk, "Handbook", "/x", "default", 1.0, Scores(), datetime.now(UTC))


def case(answerable=True, answers=("monthly",), **where):
    evidence = (EvidenceRef(**{"document": "handbook.pdf"} | where),) if where is not None else ()
    return Case("q", "When?", answers if answerable else (), answerable, evidence)


def judge(row, answer, hits=()):
    return Judge(OneDocument()).judge(row, answer, hits, 5.0)


@pytest.mark.parametrize(
    ("where", "changed"),
    [
        ({"text": "Page two speaks of pay"}, 0),
        ({"text": "Page two speaks of bonuses"}, 1),
        ({"text": "x", "page": 2}, 0),
    ],
)
def test_evidence_whose_words_are_gone_is_counted(where, changed):
    looking = Judge(OneDocument())
    looking.places(case(**where))
    assert (looking.unplaced, looking.changed) == (0, changed)


def test_a_citation_must_lie_on_the_page_the_row_names():
    on_page, off_page = citation(CUT + 5, CUT + 20), citation(0, 20)
    assert judge(case(page=2), answered(citations=[on_page, off_page])).citations == (True, False)


def test_a_citation_is_on_a_page_when_half_of_it_is():
    assert judge(case(page=2), answered(citations=[citation(CUT - 10, CUT + 10)])).citations == (True,)
    assert judge(case(page=2), answered(citations=[citation(CUT - 12, CUT + 10)])).citations == (False,)


def test_a_section_is_found_by_name_else_by_the_evidence_text():
    quoted = [citation(CUT, CUT + 24)]
    assert judge(case(section="Section 2"), answered(citations=quoted)).citations == (True,)
    assert judge(case(section="section 9", text="Page two speaks of pay."), answered(citations=quoted)).citations == (
        True,
    )


def test_a_section_that_cannot_be_found_is_counted_as_missed():
    reader = Judge(OneDocument())
    judged = reader.judge(case(section="section 9"), answered(citations=[citation(0, 20)]), [hit(0, 20)], 1.0)
    assert judged.citations == (False,)
    assert judged.page_hit is False
    assert reader.unplaced == 1


def test_without_page_or_section_the_document_is_enough():
    judged = judge(case(), answered(citations=[citation(0, 5), citation(0, 5, "other")]), [hit(0, 20)])
    assert judged.citations == (True, False)
    assert judged.page_hit is None
    assert judged.document_hit is True


def test_a_folded_copy_stands_for_its_document_but_not_for_its_page():
    copy = citation(0, 5, "twin", also_in=("/docs/handbook.pdf",))
    assert judge(case(), answered(citations=[copy])).citations == (True,)
    assert judge(case(page=1), answered(citations=[copy])).citations == (False,)


def test_a_hit_shares_half_of_the_shorter_with_the_page():
    assert judge(case(page=2), answered(), [hit(0, len(TEXT))]).page_hit is True
    assert judge(case(page=2), answered(), [hit(0, CUT - 1)]).page_hit is False


def test_a_hit_below_the_tenth_place_does_not_count():
    far = [hit(0, 5, "other")] * 10 + [hit(0, 5)]
    assert judge(case(), answered(), far).document_hit is False


def test_declined_answers_to_answerable_questions_score_zero():
    judged = judge(case(), answered("", "refused"))
    assert (judged.contains, judged.token_f1) == (False, 0.0)
    assert judge(case(answerable=False), answered("", "refused")).contains is None


def test_the_summary_keeps_the_fixed_figures_and_nulls_the_ineligible():
    rows = [
        judge(case(page=2), answered(citations=[citation(CUT, CUT + 9)]), [hit(CUT, CUT + 9)]),
        judge(case(page=2), answered("", "refused")),
        judge(case(answerable=False, page=2), answered("", "refused")),
        judge(case(answerable=False, page=2), answered("", "blocked")),
    ]
    figures = summarise(rows)
    assert (figures["questions"], figures["answered"], figures["blocked"]) == (4, 1, 1)
    assert figures["contains"] == 0.5
    assert figures["citation_precision"] == figures["citation_recall"] == 1.0
    assert figures["page_hit@10"] == 0.5
    assert figures["refusal_precision"] == pytest.approx(2 / 3)
    assert (figures["refusal_recall"], figures["false_refusal_rate"]) == (1.0, 0.5)
    assert figures["balanced_refusal_accuracy"] == 0.75
    only_answerable = summarise(rows[:2])
    assert only_answerable["refusal_precision"] is None
    assert only_answerable["refusal_recall"] is None
    assert set(figures) >= {"token_f1", "doc_hit@10", "p50_ms", "p95_ms"}


def test_each_sentence_shown_is_held_against_the_labels():
    def one(text, *citations):
        claim = Claim(text, 0, len(text), tuple(c.marker for c in citations), "supported", 1.0)
        return Answer("a", "answered", text, None, (claim,), citations, (), "m", "quote", 0, {})

    on_page, off_page = citation(CUT, CUT + 24), citation(0, 25)
    rows = [
        judge(case(page=2), one("Page two speaks of pay.", on_page)),
        judge(case(page=2), one("It is paid monthly.", off_page)),  # the labelled answer, not said there
        judge(case(page=2), one("Page one speaks of leave.", off_page)),
        judge(case(answerable=False, page=2), one("Page two speaks of pay.", on_page)),
    ]
    figures = summarise(rows)
    assert figures["claims"] == 4
    assert figures["claims_outside"] == pytest.approx(0.5)
    assert figures["claims_wrong"] == pytest.approx(1 / 3)
    assert figures["claims_unfounded"] == figures["claims_unanswerable"] == pytest.approx(0.25)


def test_citations_of_a_row_that_names_no_evidence_are_not_judged():
    row = Case("q", "When?", ("monthly",), True, ())
    judged = judge(row, answered(citations=[citation(0, 20)]))
    assert judged.citations is None
    figures = summarise([judged])
    assert figures["citation_precision"] is figures["citation_recall"] is figures["cited_of_answerable"] is None
    assert figures["claims_outside"] is figures["claims_wrong"] is None
    assert judge(Case("q", "When?", (), False, ()), answered(citations=[citation(0, 20)])).citations == (False,)


def test_a_document_that_is_not_there_is_counted():
    reader = Judge(OneDocument())
    judged = reader.judge(case(document="gone.md"), answered(citations=[citation(0, 20)]), [hit(0, 20)], 1.0)
    assert (judged.citations, reader.unplaced) == ((False,), 1)
