import json

import pytest
from typer.testing import CliRunner

from core.db.session import Database
from core.errors import Conflict, InvalidInput
from core.settings import load_settings
from core.settings_file import write_settings
from evals.frontier import Trial, frontier_of, winner
from evals.search import Bench
from evals.tune_cli import cli
from ingest.run import IngestOptions, ingest
from models.encoder import load_encoder

QUESTIONS = [
    {
        "id": "1",
        "question": "How many hours of annual leave may staff carry over?",
        "answers": ["240 hours"],
        "answerable": True,
        "evidence": [{"doc": "leave.md", "section": "section 1"}],
    },
    {"id": "2", "question": "Who paints the zeppelin?", "answers": [], "answerable": False},
]


@pytest.fixture
def docs(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "home"))
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "leave.md").write_text("# Leave\n\n<!-- section 1 -->\nStaff may carry over 240 hours of annual leave.\n")
    (folder / "fire.md").write_text("# Fire\n\nIn case of fire walk to the assembly point behind the building.\n")
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    return folder


def trial(number, quality, ms, tokens):
    return Trial(number, {}, quality, ms, tokens)


def test_the_frontier_leaves_out_what_another_beats_and_the_winner_is_the_cheapest_of_the_best():
    best, near, worse, cheap = (
        trial(0, 0.8, 9, 900),
        trial(1, 0.795, 8, 400),
        trial(2, 0.6, 9, 900),
        trial(3, 0.5, 2, 100),
    )
    assert frontier_of([best, near, worse, cheap]) == [best, near, cheap]
    assert winner([best, near, worse, cheap]) == near


def run(docs, tmp_path, *more):
    arguments = ["search", "--questions", str(tmp_path / "questions.jsonl"), "--docs", str(docs), "--json", *more]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_a_search_goes_on_where_it_was_and_writes_the_winner(docs, tmp_path):
    first = run(docs, tmp_path, "--trials", "2", "--no-write")
    assert (first["questions"], first["trials"], first["written"]) == (1, 2, None)
    assert first["in_force"]["settings"]["retrieval"]["dense_weight"] == load_settings().retrieval.dense_weight
    found = run(docs, tmp_path, "--trials", "3")
    assert found["trials"] == 3
    assert found["winner"]["quality"] == 1.0
    settings = load_settings()
    for section, values in found["winner"]["settings"].items():
        for key, value in values.items():
            assert getattr(getattr(settings, section), key) == value
    folder = tmp_path / "home" / "tuning" / "search"
    assert (folder / "search.png").stat().st_size > 1000
    assert json.loads((folder / "search.json").read_text())["trials"] == 3


def failed(docs, tmp_path, *more):
    arguments = [
        "search",
        "--questions",
        str(tmp_path / "questions.jsonl"),
        "--docs",
        str(docs),
        "--trials",
        "2",
        *more,
    ]
    return CliRunner().invoke(cli, arguments).exception


def test_a_study_goes_on_with_the_same_questions_and_documents_alone(docs, tmp_path):
    run(docs, tmp_path, "--trials", "1", "--no-write")
    questions = (tmp_path / "questions.jsonl").read_text()
    (tmp_path / "questions.jsonl").write_text(questions.replace("Who paints", "Who builds"))
    assert isinstance(failed(docs, tmp_path), Conflict)
    (tmp_path / "questions.jsonl").write_text(questions)
    (docs / "leave.md").write_text("# Leave\n\n<!-- section 1 -->\nNobody carries over anything; ask the office.\n")
    assert isinstance(failed(docs, tmp_path), Conflict)
    assert run(docs, tmp_path, "--trials", "1", "--no-write", "--study", "again")["trials"] == 1
    cut = list((tmp_path / "home" / "tuning" / "search").glob("cut-*"))
    assert len(cut) == 2


def test_a_study_whose_report_could_not_be_written_is_refused_first(docs, tmp_path):
    assert isinstance(failed(docs, tmp_path, "--study", "a/b"), InvalidInput)
    assert not (tmp_path / "home" / "tuning").exists()


def test_it_says_whether_the_first_trial_had_the_settings_in_force(docs, tmp_path, monkeypatch):
    exact = run(docs, tmp_path, "--trials", "1", "--no-write")
    monkeypatch.setenv("ATTEST_RETRIEVAL__K", "9")
    near = run(docs, tmp_path, "--trials", "1", "--no-write", "--study", "near")
    assert (exact["in_force_exactly"], near["in_force_exactly"]) == (True, False)


def test_the_settings_in_force_are_those_of_today_not_of_the_first_trial(docs, tmp_path, monkeypatch):
    measure = Bench.measure

    def broken_off(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Bench, "measure", broken_off)
    assert isinstance(failed(docs, tmp_path), SystemExit)
    monkeypatch.setattr(Bench, "measure", measure)
    first = run(docs, tmp_path, "--trials", "1", "--no-write")["in_force"]
    assert first["settings"]["retrieval"]["k"] == load_settings().retrieval.k
    (tmp_path / "home" / "attest.toml").write_text("[retrieval]\nk = 12\n")
    again = run(docs, tmp_path, "--trials", "1", "--no-write")
    assert (again["trials"], again["in_force"]["settings"]["retrieval"]["k"]) == (2, 12)
    assert again["in_force_exactly"]
    assert run(docs, tmp_path, "--trials", "1", "--no-write")["trials"] == 2


def test_a_study_goes_on_under_the_settings_it_does_not_try_alone(docs, tmp_path, monkeypatch):
    run(docs, tmp_path, "--trials", "1", "--no-write")
    monkeypatch.setenv("ATTEST_RETRIEVAL__MODE", "lexical")
    assert isinstance(failed(docs, tmp_path), Conflict)
    monkeypatch.delenv("ATTEST_RETRIEVAL__MODE")
    (tmp_path / "home" / "glossary.txt").write_text("PTO: paid time off\n")
    assert isinstance(failed(docs, tmp_path), Conflict)


def test_a_study_over_the_own_store_goes_on_with_the_same_documents_alone(docs, tmp_path):
    def take_in():
        settings = load_settings()
        database = Database.open(settings)
        try:
            ingest(
                [docs], IngestOptions(), database=database, settings=settings, encoder=load_encoder(settings.embedder)
            )
        finally:
            database.close()

    def own(*more):
        arguments = ["search", "--questions", str(tmp_path / "questions.jsonl"), "--no-write", "--json", *more]
        return CliRunner().invoke(cli, [*arguments, "--trials", "1"])

    assert "your store" in str(own().exception)
    take_in()
    assert own().exit_code == own().exit_code == 0
    (docs / "fire.md").write_text("# Fire\n\nIn case of fire leave the building by the stairs.\n")
    take_in()
    assert isinstance(own().exception, Conflict)
    assert own("--study", "later").exit_code == 0


def test_questions_about_other_documents_choose_no_settings(docs, tmp_path):
    questions = tmp_path / "questions.jsonl"
    questions.write_text(questions.read_text().replace("leave.md", "elsewhere.md"))
    assert "none of the documents" in str(failed(docs, tmp_path))
    assert not (tmp_path / "home" / "attest.toml").exists()
    row = {"question": "Where is the assembly point?", "evidence": ["fire.md"]}
    questions.write_text(questions.read_text() + json.dumps(row) + "\n")
    found = run(docs, tmp_path, "--trials", "1", "--no-write")
    assert (found["questions"], found["unplaced_evidence"]) == (2, 1)


def test_what_the_environment_says_over_the_winner_is_told(docs, tmp_path, monkeypatch):
    monkeypatch.setenv("ATTEST_RETRIEVAL__K", "9")
    assert run(docs, tmp_path, "--trials", "1")["overridden"] == ["ATTEST_RETRIEVAL__K"]
    arguments = ["search", "--questions", str(tmp_path / "questions.jsonl"), "--docs", str(docs), "--trials", "1"]
    assert "ATTEST_RETRIEVAL__K of the environment" in CliRunner().invoke(cli, arguments).output


def test_a_settings_file_that_cannot_be_changed_is_told_of_first(docs, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "attest.toml").write_text("retrieval = { k = 3 }\n")
    assert "by hand" in str(failed(docs, tmp_path))
    assert not (tmp_path / "home" / "tuning").exists()


def test_settings_are_written_beside_what_the_file_holds(tmp_path):
    (tmp_path / "attest.toml").write_text('# ours\n[retrieval]\nk = 3 # few\nmode = "dense"\n\n[ui]\nport = 9000\n')
    settings = load_settings(tmp_path)
    write_settings(settings, {"retrieval": {"k": 8, "dense_weight": 0.4}, "ingest": {"chunk_tokens": 128}})
    text = (tmp_path / "attest.toml").read_text()
    assert "# ours" in text
    changed = load_settings(tmp_path)
    assert (changed.retrieval.k, changed.retrieval.mode, changed.retrieval.dense_weight) == (8, "dense", 0.4)
    assert (changed.ingest.chunk_tokens, changed.ui.port) == (128, 9000)


def test_a_setting_in_another_form_is_left_to_its_owner(tmp_path):
    (tmp_path / "attest.toml").write_text("retrieval = { k = 3 }\n")
    with pytest.raises(InvalidInput, match="by hand"):
        write_settings(load_settings(tmp_path), {"retrieval": {"k": 8}})
