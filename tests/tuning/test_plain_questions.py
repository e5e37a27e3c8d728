"""Rows over plain pages point at their answers, and held-out organisations are not trained on."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tuning.plain_questions import FILES, HELD, HELD_FILES, make_plain_rows, pages_of, read_pages, write_stores

FOLDER = Path("tuning")


@pytest.mark.parametrize("name", FILES)
def test_every_row_points_at_what_answers_it(name: str) -> None:
    pages = read_pages(FOLDER / name)
    answers = {question: fact for page in pages for fact in page.facts for question in fact["asks"]}
    rows = list(make_plain_rows(pages, random.Random(1)))
    for row in rows:
        fact = answers.get(row["question"])
        if row["answerable"]:
            assert fact is not None
            assert [row["context"][a:b] for a, b in row["spans"]] == [fact["answer"]]
            assert [row["context"][a:b] for a, b in row["support"]] == [fact["says"]]
        else:
            assert row["spans"] == row["support"] == []
            assert fact is None or fact["says"] not in row["context"]
    answered = sum(row["answerable"] for row in rows) / len(rows)
    assert 0.4 < answered < 0.6


def test_no_held_out_page_or_fact_is_trained_on() -> None:
    trained, held = pages_of(), pages_of((HELD, *HELD_FILES))
    assert len(trained) > 800
    assert len(held) > 500
    assert not {page.title for page in trained} & {page.title for page in held}
    assert not {fact["says"] for page in trained for fact in page.facts} & {
        fact["says"] for page in held for fact in page.facts
    }


def test_held_out_organisations_become_stores_to_ask(tmp_path: Path) -> None:
    names = write_stores(read_pages(FOLDER / HELD), tmp_path)
    assert len(names) == 12
    for name in names:
        rows = [json.loads(line) for line in (tmp_path / name / "questions.jsonl").read_text().splitlines()]
        texts = {path.name: path.read_text() for path in (tmp_path / name / "docs").iterdir()}
        assert len(texts) == 3
        assert {row["answerable"] for row in rows} == {True, False}
        for row in rows:
            assert all(found["text"] in texts[found["doc"]] for found in row.get("evidence", ()))


def test_an_answer_that_stands_nowhere_is_told(tmp_path: Path) -> None:
    file = tmp_path / "pages.toml"
    file.write_text('[[page]]\ntitle = "A"\ntempting = []\nfacts = [{says = "Ring 1.", answer = "2", asks = ["?"]}]\n')
    with pytest.raises(ValueError, match=r"'2' is not in 'Ring 1\.'"):
        read_pages(file)
