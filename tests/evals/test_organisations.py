"""What the kept organisations are asked stands in their documents, letter by letter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FOLDERS = sorted((Path(__file__).parents[2] / "bench" / "organisations").iterdir())


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_every_answer_stands_in_the_document_named(folder: Path) -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in (folder / "docs").iterdir()}
    rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(texts) == 12
    assert len({row["question"] for row in rows}) == len(rows) == 70
    assert sum(row["answerable"] for row in rows) == 45
    for row in rows:
        for found in row.get("evidence", ()):
            assert found["text"] in texts[found["doc"]]
        assert all(words in texts[row["doc"]] for words in row.get("must_contain", ()))
