"""Written questions stand in the words of their passages, and a file that does not fit is told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench.filing_passages import passages
from tuning.article_questions import read_article_questions, read_questions
from tuning.filing_questions import digest_of, read_filing_questions
from tuning.passages_data import Labelled, Passage, write_rows

DATA = Path(__file__).parents[3] / "shared" / "data"
LENSES = Passage("Lenses", "A lens bends light. Spinoza ground lenses in 1661 at Rijnsburg.", "lenses")


def asked(tmp_path: Path, text: str) -> list[Labelled]:
    file = tmp_path / "one.txt"
    file.write_text(text, encoding="utf-8")
    return list(read_questions(file, "articles", {"Lenses 0": LENSES}.__getitem__))


def test_a_question_points_at_the_words_that_answer_it(tmp_path: Path) -> None:
    right, wrong = asked(tmp_path, "# Lenses 0\n+ Who made lenses? | Spinoza\n- Who sold lenses? | Spinoza\n")
    assert right.answerable
    assert right.spans == ((20, 27),)
    assert not wrong.answerable
    assert wrong.wrong == ("Spinoza",)
    assert not wrong.spans


@pytest.mark.parametrize(
    "line", ["+ Who? | Descartes", "- Who? | Descartes", "+ Who made lenses?", "? Who? | Spinoza", "+  | Spinoza", ""]
)
def test_a_line_that_does_not_fit_its_passage_is_told(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match=r"one\.txt, line 2: .* does not fit its passage"):
        asked(tmp_path, f"# Lenses 0\n{line}\n")


def test_a_digest_is_short_and_its_text_s_own() -> None:
    assert len(digest_of("a")) == len(digest_of("b")) == 8
    assert digest_of("a") != digest_of("b")


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "squad2").is_dir(), reason="the evaluation data is not on this machine")
def test_every_kept_question_fits_its_passage_and_is_asked_of_it_once(tmp_path: Path) -> None:
    cut = tmp_path / "filings.jsonl"
    write_rows(cut, passages(DATA / "financebench/docs"))
    for found in (read_article_questions(DATA), read_filing_questions(cut)):
        kinds = Counter(item.answerable for item in found)
        assert min(kinds.values()) > 3000
        assert 0.35 < kinds[True] / len(found) < 0.65
        assert all(item.spans for item in found if item.answerable)
        assert max(Counter((item.passage.text, item.question) for item in found).values()) == 1


def test_a_passage_that_is_cut_otherwise_now_is_told(tmp_path: Path) -> None:
    cut = tmp_path / "filings.jsonl"
    write_rows(cut, [{"filing": "3M_2022_10K", "number": 0, "text": "another"}])
    with pytest.raises(ValueError, match=r"3M_2022_10K, passage \d+: cut otherwise"):
        read_filing_questions(cut)
