import json
import logging

import pytest
from typer.testing import CliRunner

from core.errors import InvalidInput
from core.settings import load_settings
from evals import calibrate as module
from evals.answers import Material
from evals.calibrate import Scored, calibrate, summary
from evals.calibrate_cli import cli
from generation.calibration import Calibration, Point


@pytest.fixture
def docs(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "home"))
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "leave.md").write_text("# Leave\n\nStaff may carry over 240 hours of annual leave.\n")
    return folder


def write(path, answerable, unanswerable, doc="leave.md"):
    rows = [{"question": f"Leave {number}?", "answers": ["240"], "doc": doc} for number in range(answerable)]
    rows += [{"question": f"Zeppelin {number}?", "answers": []} for number in range(unanswerable)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def scored(_, case):
    return Scored({"unit": float(case.answerable), "coverage": 0.5}, case.answerable, case.id)


def test_too_few_questions_of_a_kind_are_told_before_anything_is_scored(docs, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "score", lambda *_: pytest.fail("scored"))
    questions = write(tmp_path / "q.jsonl", 30, 4)
    with pytest.raises(InvalidInput, match="30 with and 4 without"):
        calibrate(questions, settings=load_settings(), material=Material((docs,)))


def test_a_store_without_documents_is_named(docs, tmp_path):
    with pytest.raises(InvalidInput, match="your store, of 12 questions, has passages for 0 with and 0 without"):
        calibrate(write(tmp_path / "q.jsonl", 6, 6), settings=load_settings())


def test_what_is_left_out_or_not_there_is_told(docs, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(module, "score", lambda _, case: None if case.id == "1" else scored(_, case))
    questions = write(tmp_path / "q.jsonl", 7, 6, doc="elsewhere.md")
    with caplog.at_level(logging.WARNING):
        fitted, rows = calibrate(questions, settings=load_settings(), material=Material((docs,)))
    assert (fitted.questions, len(rows)) == (12, 12)
    assert "for 1 of 13 questions nothing was found" in caplog.text
    assert "in no document here, and counts as missed: 7" in caplog.text


def test_how_far_to_trust_it_and_how_to_undo_it_are_told(docs, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "score", scored)
    write(tmp_path / "q.jsonl", 6, 6)
    arguments = ["--questions", str(tmp_path / "q.jsonl"), "--docs", str(docs)]
    output = CliRunner().invoke(cli, arguments).output
    assert "200 are enough to trust" in output
    assert "calibration.json brings back" in " ".join(output.split())


def test_what_was_in_force_until_now_is_set_beside_it(docs, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "score", scored)
    write(tmp_path / "q.jsonl", 6, 6)
    arguments = ["--questions", str(tmp_path / "q.jsonl"), "--docs", str(docs), "--json"]

    def before():
        return json.loads(CliRunner().invoke(cli, arguments).stdout.splitlines()[-1])["in_force_before"]

    assert before() is None  # the packaged one reads other scores
    own = tmp_path / "home" / "calibration.json"
    assert own.is_file()
    assert before() == {"wrong_per_hundred": 0.0, "false_refusals": 0.0}
    own.write_text("{")
    assert before() is None


def test_where_no_threshold_keeps_to_what_is_accepted_nothing_is_answered():
    curve = (Point(0.0, 1.0, 0.8, 20.0, 0.0), Point(0.99, 0.5, 0.7, 15.0, 0.56))
    found = summary(Calibration(("unit",), (0.0,), (1.0,), (1.0,), 0.0, curve, 20, "q"), 4.5)
    assert (found["coverage"], found["wrong_per_hundred"], found["false_refusals"]) == (0.0, 0.0, 1.0)
