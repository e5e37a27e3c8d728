"""Keeping in step: what is there stays, what is gone goes, and what moved is called by its new name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.db.session import Database
from core.errors import SourceUnavailable
from core.settings import Settings
from tests.ingest.conftest import Run
from tests.ingest.samples import zipped
from tests.ingest.store import document, sources


def test_a_file_that_is_there_but_left_out_of_folders_is_not_gone(run: Run, docs: Path, database: Database) -> None:
    (docs / ".git").mkdir()
    for path in (docs / ".hidden.txt", docs / ".git" / "notes.txt", docs / "a.md"):
        path.write_text(f"The page {path.name}.")
        run(path)
    assert run(sync=True).deleted == 0
    (docs / "a.md").unlink()
    (docs / ".hidden.txt").unlink()
    assert run(sync=True).deleted == 2
    assert sources(database) == ["notes.txt"]
    (docs / ".git" / "notes.txt").unlink()
    with pytest.raises(SourceUnavailable):
        run(sync=True)


def test_a_file_in_whose_place_a_folder_stands_is_gone(run: Run, docs: Path, database: Database) -> None:
    (docs / "a.md").write_text("# A\n\nText.\n")
    (docs / "notes").write_text("Some notes.")
    run()
    (docs / "notes").unlink()
    (docs / "notes").mkdir()
    assert run(sync=True).deleted == 1
    assert sources(database) == ["a.md"]


def test_a_folder_whose_name_ends_in_an_exclamation_mark_is_no_archive(
    run: Run, docs: Path, database: Database
) -> None:
    folder = docs / "Read me!"
    folder.mkdir()
    for name in ("goes", "stays"):
        (folder / f"{name}.txt").write_text(f"The note that {name}.")
    (folder / "a.zip").write_bytes(zipped(b="The note inside."))
    run()
    (folder / "goes.txt").unlink()
    assert run(sync=True).deleted == 1
    assert sources(database) == ["a.zip", "b", "stays.txt"]
    (folder / "a.zip").unlink()
    assert run(sync=True).deleted == 2
    assert sources(database) == ["stays.txt"]


def test_a_title_that_was_the_name_of_the_file_follows_it(run: Run, docs: Path, database: Database) -> None:
    (docs / "old.txt").write_text("Words without a heading.")
    (docs / "headed.md").write_text("# headed\n\nWords below one.")
    run()
    (docs / "old.txt").rename(docs / "new.txt")
    (docs / "headed.md").rename(docs / "other.md")
    assert run(sync=True).moved == 2
    assert [document(database, name).title for name in ("new.txt", "other.md")] == ["new", "headed"]
    assert run(sync=True).unchanged == 2


def test_the_home_below_a_folder_is_no_source_of_documents(run: Run, settings: Settings, database: Database) -> None:
    page = settings.home.parent / "docs" / "a.md"
    page.write_text("# A\n\nText.\n")
    report = run(settings.home.parent)
    assert sources(database) == ["a.md"]
    assert {"source": f"{settings.home}/", "reason": "the data folder of Attest itself"} in report.left_out
    assert os.listdir(settings.blobs)
