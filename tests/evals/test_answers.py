import json

import pytest
from typer.testing import CliRunner

from evals.answers import AnswerOptions, Material, measure_answers
from evals.cli import cli
from evals.conversations import measure_conversations

LEAVE = """# Leave

<!-- section 1 -->
Staff may carry over at most 240 hours of annual leave into the next leave year.

<!-- section 2 -->
Award leave is capped at 80 hours in one fiscal year.
"""
QUESTIONS = [
    {
        "id": "1",
        "question": "How many hours of annual leave may staff carry over into the next leave year?",
        "answers": ["240 hours"],
        "answerable": True,
        "doc": "leave.md",
        "evidence": [{"doc": "leave.md", "section": "section 1"}],
    },
    {"id": "2", "question": "Who paints the zeppelin of the royal menagerie?", "answers": [], "answerable": False},
]


@pytest.fixture
def docs(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "home"))
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "leave.md").write_text(LEAVE)
    (folder / "fire.md").write_text("# Fire\n\nIn case of fire walk to the assembly point behind the building.\n")
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    return folder


def test_an_answer_is_found_cited_in_its_section_and_the_unknown_is_declined(docs, tmp_path):
    details = tmp_path / "details.jsonl"
    options = AnswerOptions("quote", details=details)
    figures = measure_answers(Material((docs,)), tmp_path / "questions.jsonl", options)
    assert figures["questions"] == 2
    assert figures["unplaced_evidence"] == 0
    assert figures["doc_hit@10"] == figures["page_hit@10"] == 1.0
    assert figures["refusal_recall"] == 1.0
    rows = [json.loads(line) for line in details.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["1", "2"]
    if figures["answered"]:
        assert figures["contains"] == figures["citation_recall"] == 1.0
    assert not (tmp_path / "home").exists()


def test_docs_and_corpus_exclude_each_other(docs, tmp_path):
    questions = str(tmp_path / "questions.jsonl")
    neither = CliRunner().invoke(cli, ["answers", "--questions", questions, "--json"])
    both = CliRunner().invoke(cli, ["answers", "--questions", questions, "--docs", str(docs), "--corpus", questions])
    assert (neither.exit_code, both.exit_code) == (2, 2)


def test_a_follow_up_finds_what_its_history_is_about(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "home"))
    corpus = [
        {"_id": "leave", "title": "Annual leave", "text": "Annual leave may be carried over: at most 240 hours."},
        {"_id": "fire", "title": "Fire", "text": "In case of fire walk to the assembly point."},
    ]
    task = {
        "id": "t",
        "messages": [
            {"role": "user", "content": "What is annual leave?"},
            {"role": "assistant", "content": "Annual leave is paid time off."},
            {"role": "user", "content": "How much of it can be carried over?"},
        ],
        "answerability": "ANSWERABLE",
        "docs": ["leave"],
    }
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in corpus))
    (tmp_path / "tasks.jsonl").write_text(json.dumps(task) + "\n")
    figures = measure_conversations(tmp_path / "corpus.jsonl", tmp_path / "tasks.jsonl", None)
    assert (figures["tasks"], figures["searched_tasks"]) == (1, 1)
    assert figures["recall@5"] == figures["recall@10"] == figures["ndcg@10"] == 1.0
    assert figures["refusal_recall"] is None
    assert figures["refusal_precision"] is None
