import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import InvalidInput
from core.settings import load_settings
from generation.answerable import Answerability
from generation.calibration import FILE, WITHOUT_ANSWER, fit, load_calibration, save_calibration
from tests.generation.passages import CONTACT, LEAVE, evidence_of


def questions(count: int = 200) -> tuple[list[dict[str, float]], list[bool]]:
    chance = np.random.default_rng(3)
    labels = [bool(index % 2) for index in range(count)]
    return [{"good": chance.normal(2.0 * label, 1.0), "noise": chance.normal()} for label in labels], labels


def test_the_threshold_keeps_to_the_wrong_answers_accepted() -> None:
    rows, labels = questions()
    calibration = fit(rows, labels, "test")
    strict, loose = calibration.threshold(2.0), calibration.threshold(20.0)
    assert strict > loose
    scored = [(calibration.probability(row) >= strict, label) for row, label in zip(rows, labels, strict=True)]
    wrong = sum(answered for answered, label in scored if not label) / labels.count(False)
    assert 100 * WITHOUT_ANSWER * wrong <= 2.5
    weights = dict(zip(calibration.names, calibration.weights, strict=True))
    assert weights["good"] > 5 * abs(weights["noise"])


def test_accepting_nothing_wrong_where_the_curve_never_reaches_it_refuses_everything() -> None:
    rows = [{"blind": 0.0}] * 20
    calibration = fit(rows, [True, False] * 10, "test")
    assert calibration.probability(rows[0]) < calibration.threshold(1.0)


def test_too_few_questions_are_refused() -> None:
    with pytest.raises(InvalidInput):
        fit([{"a": 1.0}] * 6, [True] * 5 + [False], "test")


def test_an_operators_calibration_comes_before_the_packaged_one_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    rows, labels = questions()
    given = [{"read": row["good"], "figures": row["noise"], "tables": 0.0} for row in rows]
    own = fit(given, labels, "own questions")
    save_calibration(own, tmp_path / FILE)
    assert load_calibration(tmp_path, second=True) == own
    (tmp_path / FILE).write_text(json.dumps({"curve": []}))
    with pytest.raises(InvalidInput, match="attest calibrate"):
        load_calibration(tmp_path, second=True)


def test_a_calibration_of_scores_no_longer_given_is_told(tmp_path: Path) -> None:
    rows, labels = questions()
    save_calibration(fit(rows, labels, "old scores"), tmp_path / FILE)
    with pytest.raises(InvalidInput, match=r"weighs good, noise, which an earlier version gave; delete it and run"):
        load_calibration(tmp_path, second=True)


def test_evidence_about_something_else_scores_lower_and_none_is_its_own_reason(tmp_path: Path) -> None:
    judge = Answerability(load_settings(tmp_path))
    evidence = evidence_of(LEAVE, CONTACT)
    asked = "How many annual leave hours can I carry over to the next year?"
    assert judge.score(asked, evidence) > judge.score("What is the parking fee at the Mars office garage?", evidence)
    assert judge.reason(asked, ()) == "no_evidence"


def test_a_question_in_letters_the_readers_do_not_know_is_refused_unless_a_word_is_shared(tmp_path: Path) -> None:
    judge = Answerability(load_settings(tmp_path))
    for asked in ("ما هي سياسة الإجازة؟", "Кто изобрёл телефон?", "谁发明了电话?"):
        assert judge.reason(asked, evidence_of(LEAVE, CONTACT)) == "insufficient_evidence"
        assert not judge._unreadable(asked, evidence_of(LEAVE, asked))
    assert not judge._unreadable("Wem gehört das Auto?", evidence_of(LEAVE))
    assert not judge._unreadable("Что такое Cofense?", evidence_of(CONTACT))


def test_rows_that_meet_a_condition_or_hold_an_amount_are_an_answer(tmp_path: Path) -> None:
    judge = Answerability(load_settings(tmp_path))
    rooms = (
        "| Room | Seats | Projector |\n|---|---|---|\n| Atlas | 40 | yes |\n| Ceres | 24 | no |\n| Dione | 6 | no |\n"
    )
    for asked in ("Which rooms seat more than 20 people?", "What is the smallest room by seats?"):
        assert judge.reason(asked, evidence_of(rooms)) is None
    assert judge.reason("Which rooms have a balcony?", evidence_of(rooms)) == "insufficient_evidence"
