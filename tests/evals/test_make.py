import json
from collections import Counter

import pytest

from core.errors import InvalidInput
from evals.answers import AnswerOptions, Material, measure_answers
from evals.cases import read_cases
from evals.make import Fact, distinct, facts_of, make_set, rows_of, without_answer

LEAVE = "Staff may carry over at most 240 hours of annual leave into the next leave year. Ask early."
PAY = "Every supervisor approves travel claims within 5 days of the return from a journey abroad."


def test_a_fact_is_a_sentence_with_one_number_and_the_question_leaves_it_out():
    (fact,) = facts_of("leave.md", "leave", LEAVE)
    assert fact.answer == "240 hours"
    assert fact.question.endswith("carry over at most _____ of annual leave into the next leave year.")
    assert "240" not in fact.question


@pytest.mark.parametrize(
    "text",
    [
        "Short: 5 days.",
        "Between 5 and 10 people may attend the meeting that is held in the large room upstairs.",
        "| Staff | 240 hours | of annual leave may be carried over into the next leave year |",
        "No number stands in this otherwise quite ordinary sentence about the leave of our staff.",
    ],
)
def test_other_sentences_are_left_alone(text):
    assert list(facts_of("a", "a", text)) == []


def test_a_question_without_an_answer_names_what_its_document_never_says():
    (fact,) = facts_of("leave.md", "leave", LEAVE)
    words = Counter({"staff": 3, "carry": 1, "supervisor": 2, "travel": 5})
    own = frozenset({"staff", "carry"})
    changed = without_answer(fact, words, own)
    assert changed is not None
    assert changed.answer == "240 hours"
    assert {"supervisor", "travel"} & set(changed.sentence.lower().split())
    assert without_answer(fact, Counter({"staff": 3}), own) is None


def test_rows_are_balanced_spread_and_the_same_each_time():
    texts = {
        f"{n}.md": f"{LEAVE} {PAY} Rooms on floor {n} close at 6 pm and nobody may stay there after that time."
        for n in range(4)
    }
    facts = [fact for name, text in texts.items() for fact in facts_of(name, name, text)]
    rows = rows_of(facts, texts, 8, 0)
    assert rows == rows_of(facts, texts, 8, 0)
    assert sum(row["answerable"] for row in rows) == 4
    assert len({row["doc"] for row in rows if row["answerable"]}) == 4


def test_the_file_reads_as_any_question_set(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "home"))
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "annual-leave.md").write_text(f"# Annual leave\n\n{LEAVE}\n")
    (docs / "travel.md").write_text(f"# Travel\n\n{PAY}\n")
    report = make_set(Material((docs,)), tmp_path / "questions.jsonl", 2, 0)
    cases = read_cases(tmp_path / "questions.jsonl")
    assert report["questions"] == len(cases) >= 1
    assert cases[0].answerable
    assert cases[0].evidence[0].text.count(cases[0].answers[0]) == 1
    assert json.loads((tmp_path / "questions.jsonl").read_text().splitlines()[0])["doc"].endswith(".md")
    (docs / "annual-leave.md").write_text("# Nothing\n\nNo numbers here at all.\n")
    (docs / "travel.md").unlink()
    with pytest.raises(InvalidInput, match="no sentence"):
        make_set(Material((docs,)), tmp_path / "questions.jsonl", 2, 0)


def test_words_of_grammar_are_neither_replaced_nor_put_in():
    (fact,) = facts_of("leave.md", "leave", LEAVE)
    words = Counter({"staff": 9, "over": 1, "most": 1, "will": 2, "each": 2, "travel": 5})
    changed = without_answer(fact, words, frozenset({"staff", "over", "most"}))
    assert changed is not None
    assert {"over", "most", "travel"} < set(changed.sentence.lower().split())
    assert without_answer(fact, Counter({"staff": 9, "will": 2, "each": 2}), frozenset({"staff"})) is None


def test_a_sentence_of_several_documents_is_asked_about_once_and_not_where_they_differ():
    texts = {"a.md": LEAVE, "b.md": LEAVE, "c.md": PAY, "d.md": PAY.replace("5 days", "9 days")}
    found = distinct(fact for name, text in texts.items() for fact in facts_of(name, name, text))
    assert [(fact.document, fact.also_in) for fact in found] == [("a.md", ("b.md",))]
    (row,) = rows_of(found, texts, 2, 0)
    assert [item["doc"] for item in row["evidence"]] == ["a.md", "b.md"]


def test_a_set_names_documents_as_they_are_found_in_a_copy(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "home"))
    for name in ("one/hr/leave.md", "one/it/notes.md", "one/notes.md", "two/hr/leave.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "one/hr/leave.md").write_text(LEAVE)
    (tmp_path / "one/it/notes.md").write_text(PAY)
    (tmp_path / "one/notes.md").write_text("Every journey of the museum van is entered within 3 weeks of its end.")
    make_set(Material((tmp_path / "one",)), tmp_path / "q.jsonl", 12, 0)
    named = {case.documents[0] for case in read_cases(tmp_path / "q.jsonl") if case.answerable}
    assert named <= {"hr/leave.md", "it/notes.md", str(tmp_path / "one/notes.md")}
    (tmp_path / "two/hr/leave.md").write_text(LEAVE)
    row = {"question": "How much leave?", "answers": ["240 hours"], "evidence": ["hr/leave.md"]}
    (tmp_path / "q.jsonl").write_text(json.dumps(row))
    figures = measure_answers(Material((tmp_path / "two",)), tmp_path / "q.jsonl", AnswerOptions(generator="quote"))
    assert (figures["unplaced_evidence"], figures["changed_evidence"]) == (0, 0)


def test_documents_changed_since_are_told(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "home"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "leave.md").write_text(LEAVE)
    make_set(Material((tmp_path / "docs",)), tmp_path / "q.jsonl", 2, 0)
    options = AnswerOptions(generator="quote")
    assert measure_answers(Material((tmp_path / "docs",)), tmp_path / "q.jsonl", options)["changed_evidence"] == 0
    (tmp_path / "docs" / "leave.md").write_text(LEAVE.replace("Ask early", "Ask the office that is near you early"))
    assert measure_answers(Material((tmp_path / "docs",)), tmp_path / "q.jsonl", options)["changed_evidence"] == 0
    (tmp_path / "docs" / "leave.md").write_text(LEAVE.replace("into the next leave year", "until spring"))
    assert measure_answers(Material((tmp_path / "docs",)), tmp_path / "q.jsonl", options)["changed_evidence"] == 1
    assert "attest eval make" in caplog.text


def test_a_span_moves_with_a_word_changed_before_it():
    fact = Fact("d", "d", "Peculiar staff wait for 5 days until the badge office opens its doors", 24, 30)
    changed = without_answer(fact, Counter({"peculiar": 0, "zeppelin": 2}), frozenset({"peculiar"}))
    assert changed is not None
    assert changed.sentence.startswith("Zeppelin")
    assert changed.answer == fact.answer == "5 days"


def test_half_of_a_small_corpus_is_left_without_an_answer():
    texts = {f"{n}.md": (LEAVE, PAY)[n % 2] for n in range(4)}
    facts = [fact for name, text in texts.items() for fact in facts_of(name, name, text)]
    assert Counter(row["answerable"] for row in rows_of(facts, texts, 100, 0)) == {True: 2, False: 2}


def test_where_nothing_can_be_written_nothing_is_measured(tmp_path):
    with pytest.raises(InvalidInput, match="no folder"):
        make_set(Material((tmp_path,)), tmp_path / "nodir" / "q.jsonl", 4, 0)
    (tmp_path / "q.jsonl").write_text('{"question": "q"}\n')
    with pytest.raises(InvalidInput, match="no folder"):
        measure_answers(Material((tmp_path,)), tmp_path / "q.jsonl", AnswerOptions(details=tmp_path / "no" / "d.jsonl"))
