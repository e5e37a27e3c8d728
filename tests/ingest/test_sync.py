"""Keeping in step: what is there stays, what is gone goes, and what moved is called by its new name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from core.db.models import Document, DocumentAccess
from core.db.session import Database
from core.errors import SourceUnavailable
from core.settings import IngestSettings, Settings
from core.types import OPERATOR
from ingest.documents import delete_document
from ingest.remote import Listed, bring
from ingest.report import IngestOptions, IngestReport
from ingest.run import ingest
from models.encoder import Encoder
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


@pytest.fixture
def online(settings: Settings, database: Database, encoder: Encoder) -> Run:
    """Ingest an address."""
    allowed = settings.model_copy(update={"ingest": settings.ingest.model_copy(update={"allow_urls": True})})

    def run(url: str, **options: Any) -> IngestReport:
        return ingest([url], IngestOptions(workers=1, **options), database=database, settings=allowed, encoder=encoder)

    return run


def test_what_is_gone_from_an_object_store_goes_and_what_moved_there_keeps_its_readers(
    online: Run, database: Database
) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for name in ("goes.txt", "stays.txt", "deep/moves.txt"):
        memory.pipe(f"/synced/{name}", f"The text of {name}.".encode())
    memory.pipe("/synced/a.zip", zipped(b="The text inside."))
    memory.pipe("/synced else/other.txt", b"The text of another store.")
    online("memory://synced", allow=("group:hr",))
    online("memory://synced else")
    memory.rm("/synced/goes.txt")
    memory.mv("/synced/deep/moves.txt", "/synced/moved.txt")
    assert online("memory://synced/stays.txt", sync=True).deleted == 0
    again = online("memory://synced", sync=True)
    assert (again.deleted, again.moved, again.failed) == (1, 1, [])
    assert _readers(database)["synced/moved.txt"] == ["group:hr"]
    memory.rm("/synced/moved.txt")
    assert online("memory://synced", sync=True).deleted == 1
    assert sorted(sources(database)) == ["a.zip", "b", "other.txt", "stays.txt"]
    memory.rm("/synced", recursive=True)
    gone = online("memory://synced", sync=True)
    assert ([failure.error for failure in gone.failed], gone.deleted) == (["SourceUnavailable"], 0)


def test_an_object_that_cannot_be_looked_at_is_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("403")

    memory = fsspec.filesystem("memory")
    memory.pipe("/refused/a.txt", b"Words.")
    *_, listed = bring(["memory://refused"], tmp_path, IngestSettings(allow_urls=True))
    assert isinstance(listed, Listed)
    assert [listed.lacks(f"memory:///refused/{name}") for name in ("a.txt", "b.txt")] == [False, True]
    monkeypatch.setattr(type(memory), "info", refuse)
    assert not listed.lacks("memory:///refused/b.txt")


def test_it_is_told_that_pages_of_the_web_are_not_kept_in_step(online: Run) -> None:
    report = online("https://user:secret@127.0.0.1/page", sync=True)
    assert [item["source"] for item in report.warnings] == ["https://127.0.0.1/page"]


def _readers(database: Database) -> dict[str, list[str]]:
    """Return the readers of each live document by the last two names of its source."""
    with database.read() as session:
        rows = session.execute(
            select(Document.source, DocumentAccess.principal)
            .outerjoin(DocumentAccess, DocumentAccess.document_key == Document.key)
            .where(Document.state == "live")
            .order_by(Document.source)
        )
        return {"/".join(source.split("/")[-2:]): [principal] if principal else [] for source, principal in rows}


def test_each_of_several_files_with_the_same_bytes_keeps_its_readers_when_their_folder_moves(
    run: Run, docs: Path, database: Database
) -> None:
    for group in ("hr", "it"):
        (docs / "old" / group).mkdir(parents=True)
        (docs / "old" / group / "a.txt").write_text("Leave is thirty days.")
        run(docs / "old" / group, allow=(f"group:{group}",))
    kept = {name: document(database, f"{name}/a.txt").id for name in ("hr", "it")}
    (docs / "old").rename(docs / "new")
    report = run(sync=True)
    assert (report.moved, report.added, report.deleted) == (2, 0, 0)
    assert {name: document(database, f"{name}/a.txt").id for name in ("hr", "it")} == kept
    assert _readers(database) == {"hr/a.txt": ["group:hr"], "it/a.txt": ["group:it"]}


def test_a_copy_that_stays_behind_keeps_its_readers_too(run: Run, docs: Path, database: Database) -> None:
    for name in ("one", "two"):
        (docs / f"{name}.txt").write_text("Leave is thirty days.")
        run(docs / f"{name}.txt", allow=(f"user:{name}",))
    for name in ("one", "two"):
        (docs / f"{name}.txt").rename(docs / f"moved {name}.txt")
    assert run(sync=True).moved == 2
    assert all(readers for readers in _readers(database).values())


def test_a_file_that_takes_the_name_of_a_deleted_one_keeps_its_readers(
    run: Run, docs: Path, database: Database
) -> None:
    (docs / "final.zip").write_bytes(zipped(b="The plan of last year."))
    run(sync=True)
    (docs / "other.txt").write_text("Something else.")
    (docs / "final.zip").unlink()
    assert run(sync=True).deleted == 2
    (docs / "final 2.zip").write_bytes(zipped(b="The plan of this year."))
    run(docs / "final 2.zip", allow=("group:hr",))
    kept = document(database, "final 2.zip").id
    (docs / "final 2.zip").rename(docs / "final.zip")
    report = run(sync=True)
    assert (report.moved, report.updated, report.deleted) == (1, 0, 0)
    with database.read() as session:
        found = {row.source.rpartition("docs/")[2]: row for row in session.scalars(select(Document))}
    assert found["final.zip"].id == kept
    assert {name: row.state for name, row in found.items()} == {
        "final.zip": "live",
        "final.zip!/b": "live",
        "final 2.zip": "deleted",
        "final 2.zip!/b": "deleted",
        "other.txt": "live",
    }
    assert found["final.zip"].own_access
    assert found["final.zip!/b"].own_access


def test_what_somebody_deleted_stays_so_when_a_copy_takes_its_name(run: Run, docs: Path, database: Database) -> None:
    for name in ("a.txt", "b.txt"):
        (docs / name).write_text("Leave is thirty days.")
    (docs / "c.txt").write_text("Something else.")
    run(sync=True)
    delete_document(database, document(database, "a.txt").id, OPERATOR)
    (docs / "b.txt").rename(docs / "a.txt")
    assert run(sync=True).deleted == 1
    assert sources(database) == ["c.txt"]
