import json

import pytest

from core.errors import EmptyDocument, Encrypted, TooLarge
from evals.parse import SILENT, Parsed, judge, measure_parsing


def parsed(text="", error=None):
    return Parsed(text, error, 0.1)


@pytest.mark.parametrize(
    ("expect", "outcome", "right"),
    [
        ("text", parsed("words"), True),
        ("text", parsed(error=EmptyDocument("none")), False),
        ("ocr", parsed("words"), True),
        ("empty", parsed(error=EmptyDocument("none")), True),
        ("empty", parsed("words"), False),
        ("password", parsed(error=Encrypted("locked")), True),
        ("password", parsed("words"), False),
        ("password_or_text", parsed("words"), True),
        ("restricted", parsed("words"), True),
        ("clean_error", parsed("words"), False),
        ("text_or_clean_error", parsed(error=TooLarge("bomb")), True),
        ("text_or_unsupported", parsed("words"), True),
        ("unsupported", parsed("words"), False),
        ("bounded", parsed(error=TooLarge("bomb")), True),
        ("no_external_fetch", parsed("root:x:0:0:root:/root:/bin/bash"), False),
        ("no_external_fetch", parsed("harmless"), True),
        ("no_path_escape", parsed(error=EmptyDocument("none")), True),
        ("no_crash", parsed("words"), True),
        ("encrypted_mail", parsed(error=Encrypted("smime")), True),
        ("something new", parsed("words"), False),
    ],
)
def test_each_expectation_is_judged(expect, outcome, right, tmp_path):
    (tmp_path / "f").touch()
    assert (judge({"file": "f", "expect": expect}, outcome, tmp_path, None) is None) is right


def test_a_row_cannot_pass_or_fail_in_silence_for_what_it_says_itself(tmp_path):
    assert "no such file" in judge({"file": "f", "expect": "clean_error"}, parsed(error=TooLarge("x")), tmp_path, None)
    (tmp_path / "f").touch()
    assert "one of: text, ocr" in judge({"file": "f", "expect": "txt"}, parsed("words"), tmp_path, None)


def test_text_lost_in_silence_is_wrong_whatever_was_expected(tmp_path):
    (tmp_path / "f").touch()
    for expect in ("text", "empty", "no_crash", "bounded"):
        assert judge({"file": "f", "expect": expect}, parsed(" \n"), tmp_path, None) == SILENT


def test_words_that_must_be_there_are_looked_for(tmp_path):
    (tmp_path / "f").touch()
    alone = {"file": "f", "expect": "text", "must_contain": "25 days"}
    assert judge(alone, parsed("days 25"), tmp_path, None) == "without '25 days'"
    row = {"file": "f", "expect": "text", "must_contain": ["25 days"]}
    assert judge(row, parsed("Staff get 25 days."), tmp_path, None) is None
    assert "25 days" in judge(row, parsed("Staff get leave."), tmp_path, None)


def test_a_manifest_is_measured_through_the_products_own_parsers(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "home"))
    (tmp_path / "a.txt").write_text("Staff get twenty five days of leave.")
    (tmp_path / "blank.txt").write_text("  \n")
    (tmp_path / "a.expected").write_text("Staff get twenty five days of paid leave.")
    rows = [
        {"file": "a.txt", "expect": "text", "expected_text": "a.expected", "must_contain": ["twenty five"]},
        {"file": "blank.txt", "expect": "empty"},
        {"file": "a.txt", "expect": "text", "note": "unicode + RTL override in the file name; copy it"},
        {"file": "blank.txt", "expect": "text"},
    ]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    figures = measure_parsing(tmp_path / "manifest.jsonl", None)
    assert (figures["files"], figures["passed"], figures["silent_empties"]) == (4, 3, 0)
    assert figures["failed"][0]["file"] == "blank.txt"
    assert figures["failed"][0]["got"].startswith("EmptyDocument")
    assert figures["token_recall"] == pytest.approx(7 / 8)
