"""Lists of documents take from the store what a row shows, not the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from core.db.session import Database
from core.types import OPERATOR
from ingest.documents import document_text, list_documents, show_document
from ingest.quarantine import list_quarantine


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Collect what is asked of the database."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield found
    event.remove(database.engine, "before_cursor_execute", note)


@pytest.fixture
def filled(run, docs: Path, database: Database) -> list[dict[str, object]]:
    for number in range(3):
        (docs / f"{number}.md").write_text(f"# Part {number}\n\nThe pump number {number} stands in hall {number}.\n")
    run()
    return list_documents(database, OPERATOR)


def test_no_text_is_read_for_a_row(database: Database, filled: list[dict[str, object]]) -> None:
    with statements(database) as asked:
        assert list_documents(database, OPERATOR) == filled
        shown = show_document(database, str(filled[0]["id"]), OPERATOR)
        assert list_quarantine(database, OPERATOR) == []
    assert (shown["title"], shown["chunks"], len(shown["versions"])) == ("Part 0", 1, 1)
    assert not [one for one in asked if "document_versions.text" in one.replace("text_sha256", "") or "layout" in one]


def test_passages_are_counted_for_what_is_shown(database: Database, filled: list[dict[str, object]]) -> None:
    assert [row["chunks"] for row in filled] == [1, 1, 1]
    with statements(database) as asked:
        show_document(database, str(filled[0]["id"]), OPERATOR)
        list_documents(database, OPERATOR, collection="default")
        assert list_documents(database, OPERATOR, collection="none") == []
    counting = [one.partition("WHERE")[2] for one in asked if "count(" in one and "FROM chunks" in one]
    assert len(counting) >= 2
    assert all("chunks.version_key" in condition.partition("GROUP BY")[0] for condition in counting)


def test_the_text_is_there_for_who_asks(database: Database, filled: list[dict[str, object]]) -> None:
    assert "hall 0" in document_text(database, str(filled[0]["id"]), OPERATOR)
