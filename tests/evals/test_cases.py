import json

import pytest

from core.errors import InvalidInput
from evals.cases import limited, read_cases, read_corpus, read_qrels, read_queries
from evals.parse import measure_parsing
from evals.rails import measure_rail_on


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "query-id\tcorpus-id\tscore\n1\t184\t3\n1\t29\t0\n",
        "1\t184\t3\n1\t29\t0\n",
        "1 0 184 3\n1 0 29 0\n",
        "\ufeffquery-id\tcorpus-id\tscore\r\n1\t184\t3\r\n\r\n1\t29\t0\r\n",
    ],
)
def test_qrels_are_read_with_or_without_a_header_and_in_trec_form(tmp_path, text):
    path = tmp_path / "qrels.tsv"
    path.write_text(text, encoding="utf-8")
    assert read_qrels(path) == {"1": {"184": 3, "29": 0}}


def test_a_broken_qrels_line_is_named(tmp_path):
    path = tmp_path / "qrels.tsv"
    path.write_text("1\t2\t1\n1\t2\n")
    with pytest.raises(InvalidInput, match=r"qrels\.tsv:2"):
        read_qrels(path)


def test_corpus_and_queries_take_id_for_underscore_id(tmp_path):
    corpus = write(tmp_path / "corpus.jsonl", {"_id": 7, "text": "x", "company": "acme"}, {"id": "8", "title": None})
    rows = read_corpus(corpus)
    assert [(row.id, row.title, row.text) for row in rows] == [("7", "", "x"), ("8", "", "")]
    assert rows[0].fields["company"] == "acme"
    assert read_queries(write(tmp_path / "queries.jsonl", {"_id": "1", "text": "why"})) == {"1": "why"}


def test_broken_json_names_its_line(tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text('{"question": "a"}\n{broken\n')
    with pytest.raises(InvalidInput, match=":2"):
        read_cases(path)


def test_squad_rows_carry_document_section_and_text(tmp_path):
    row = {
        "id": "q1",
        "question": "Who?",
        "answers": ["Rollo"],
        "answerable": True,
        "doc": "Normans.md",
        "section": "paragraph 1",
        "evidence": [{"doc": "Normans.md", "section": "paragraph 1", "text": "Rollo led."}],
    }
    (case,) = read_cases(write(tmp_path / "q.jsonl", row))
    assert case.documents == ("Normans.md",)
    assert (case.evidence[0].section, case.evidence[0].text, case.evidence[0].page) == (
        "paragraph 1",
        "Rollo led.",
        None,
    )


def test_rows_without_evidence_fall_back_to_docs_then_doc(tmp_path):
    path = write(
        tmp_path / "q.jsonl",
        {"question": "a", "answers": ["x"], "docs": ["d1", "d2"]},
        {"question": "b", "answers": ["x"], "doc": "d3", "page": 4},
        {"question": "c", "answers": [], "doc": None, "evidence": []},
    )
    first, second, third = read_cases(path)
    assert first.documents == ("d1", "d2")
    assert (second.evidence[0].document, second.evidence[0].page) == ("d3", 4)
    assert third.documents == ()
    assert (first.answerable, third.answerable) == (True, False)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("ANSWERABLE", True),
        ("PARTIAL", True),
        ("UNANSWERABLE", False),
        ("UNDERSPECIFIED", False),
        ("CONVERSATIONAL", None),
    ],
)
def test_answerability_labels_stand_in_for_the_flag(tmp_path, label, expected):
    (case,) = read_cases(write(tmp_path / "c.jsonl", {"question": "a", "answerability": label}))
    assert case.answerable is expected


def test_a_conversation_keeps_the_turns_before_the_question(tmp_path):
    messages = [
        {"role": "user", "content": "What are intents?"},
        {"role": "assistant", "content": "Purposes."},
        {"role": "user", "content": "How is it created?"},
    ]
    (case,) = read_cases(write(tmp_path / "c.jsonl", {"messages": messages, "answerable": True}))
    assert case.question == "How is it created?"
    assert [message.content for message in case.history] == ["What are intents?", "Purposes."]


def test_a_limit_spreads_over_the_whole_file():
    assert limited(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert limited([1, 2], 5) == [1, 2]
    assert limited([1, 2], None) == [1, 2]


@pytest.mark.parametrize(
    "row",
    [
        {"question": "q", "evidence": [{"doc": "a", "page": float("nan")}]},
        {"question": "q", "evidence": [7]},
        {"messages": ["hello"]},
        {"messages": [{"role": "user"}]},
        {"messages": 5},
        {"text": "no question"},
        {"question": "  "},
        {"question": ["q"]},
        {"question": "q", "answerable": "false"},
        {"question": "q", "answerable": 2},
        {"question": "q", "answerability": "NOT ANSWERABLE"},
        {"question": "q", "answers": {"text": ["a"], "answer_start": [3]}},
        {"question": "q", "answers": [True]},
        {"question": "q", "evidence": [{"document": "a.md"}]},
        {"question": "q", "evidence": [{"doc": "a.md", "page": "third"}]},
    ],
)
def test_a_row_of_another_form_is_named_by_its_line(tmp_path, row):
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "fine"}\n\n' + json.dumps(row) + "\n")
    with pytest.raises(InvalidInput, match=r"q\.jsonl:3 "):
        read_cases(path)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"question": "q", "evidence": ["a.md"]}, True),
        ({"question": "q", "doc": "a.md", "answers": None}, True),
        ({"question": "q", "answers": ["a"]}, True),
        ({"question": "q", "doc": "a.md", "answers": []}, False),
        ({"question": "q", "answerable": 0, "answers": ["a"]}, False),
        ({"question": "q"}, None),
    ],
)
def test_a_row_that_says_nothing_of_answers_is_not_taken_to_have_none(tmp_path, row, expected):
    assert read_cases(write(tmp_path / "q.jsonl", row))[0].answerable is expected


def test_numbers_in_quotes_and_names_without_them_are_read(tmp_path):
    row = {"question": "q", "answers": [27], "evidence": [{"doc": "a.pdf", "page": "3", "section": 4}]}
    (case,) = read_cases(write(tmp_path / "q.jsonl", row))
    assert (case.answers, case.evidence[0].page, case.evidence[0].section) == (("27",), 3, "4")


def test_a_table_is_told_from_json_lines(tmp_path):
    (tmp_path / "q.csv").write_text("question,answers\nHow many?,27\n")
    with pytest.raises(InvalidInput, match="one JSON object a line"):
        read_cases(tmp_path / "q.csv")


def test_evidence_may_be_a_documents_name(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "q", "answers": ["a"], "evidence": ["printers.md"]}\n')
    assert read_cases(path)[0].documents == ("printers.md",)


@pytest.mark.parametrize("grade", ["nan", "inf", "many"])
def test_a_grade_is_a_number(tmp_path, grade):
    (tmp_path / "qrels.tsv").write_text(f"q1\td1\t1\nq1\td2\t{grade}\n")
    with pytest.raises(InvalidInput, match=r"qrels\.tsv:2 "):
        read_qrels(tmp_path / "qrels.tsv")


def test_rows_of_rails_and_manifests_must_say_what_is_expected(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "fine", "toxic": false, "file": "a", "expect": "text"}\n{"text": "bare", "file": "b"}\n')
    with pytest.raises(InvalidInput, match=r"rows\.jsonl:2 has no 'toxic'"):
        measure_rail_on("toxicity", path, None)
    with pytest.raises(InvalidInput, match=r"rows\.jsonl:2 has no 'expect'"):
        measure_parsing(path, None)
