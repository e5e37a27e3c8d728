"""Backup while serving and restore elsewhere, on both databases and from one to the other."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.backup import backup, restore
from app.doctor import examine
from core.blobs import BlobStore
from core.db.changes import last_seq
from core.db.models import Change, ChunkRow, Document, EmbeddingRow
from core.db.session import Database
from core.errors import Conflict, InvalidInput
from core.settings import Settings, load_settings
from core.types import OPERATOR
from ingest.purge import purge_document
from tests.operations.seeding import Seed, plant, vector_of


def ids(database: Database) -> list[str]:
    with database.read() as session:
        return sorted(session.scalars(select(Document.id).where(Document.state == "live")))


def healthy(settings: Settings) -> bool:
    results = examine(settings)
    assert [result for result in results if not result.ok] == []
    return True


def test_a_backup_opens_on_another_machine(database: Database, settings: Settings, tmp_path: Path) -> None:
    plant(database, settings, Seed("a", "alpha\n\nbeta", allow=("user:ana",)))
    plant(database, settings, Seed("b", "alpha\n\nbeta", duplicate_of="a"))
    plant(database, settings, Seed("c", "gamma", supersedes="b"))
    report = backup(database, settings, tmp_path / "copy")
    assert (report.documents, report.blobs, report.copied) == (3, 2, 2)

    other = load_settings(tmp_path / "elsewhere")
    assert restore(other, tmp_path / "copy").documents == 3
    there = Database.open(other)
    assert ids(there) == ["a", "b", "c"]
    with there.read() as session:
        assert session.scalar(select(func.count()).select_from(ChunkRow)) == 5
        vectors = dict(session.execute(select(ChunkRow.text, EmbeddingRow.vector).join(EmbeddingRow)).all())
        assert vectors["gamma"] == vector_of("gamma")
    there.close()
    assert healthy(other)


def test_a_restored_store_goes_on_where_it_was(database: Database, settings: Settings, tmp_path: Path) -> None:
    plant(database, settings, Seed("a", "alpha"))
    plant(database, settings, Seed("b", "alpha", duplicate_of="a"))
    backup(database, settings, tmp_path / "copy")
    plant(database, settings, Seed("c", "gamma"))
    with database.read() as session:
        before = last_seq(session)
    with pytest.raises(Conflict, match="--force"):
        restore(settings, tmp_path / "copy")
    restore(settings, tmp_path / "copy", force=True)
    assert ids(database) == ["a", "b"]
    with database.read() as session:
        assert last_seq(session) > before  # a follower of the history before cannot mistake the one for the other
        newest = session.scalars(select(Change).order_by(Change.seq.desc()).limit(1)).one()
        assert newest.op == "reset"
    plant(database, settings, Seed("d", "delta"))
    assert ids(database) == ["a", "b", "d"]
    assert len(list(BlobStore(settings.blobs).names())) == 2
    assert healthy(settings)


def test_the_second_backup_copies_only_what_is_new_and_forgets_what_is_gone(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    plant(database, settings, Seed("a", "alpha, which nobody else says"))
    plant(database, settings, Seed("b", "beta"))
    backup(database, settings, tmp_path / "copy")
    plant(database, settings, Seed("c", "gamma"))
    purge_document(database, settings, "a", OPERATOR)
    report = backup(database, settings, tmp_path / "copy")
    assert (report.blobs, report.copied, report.removed) == (2, 1, 1)
    assert len(list((tmp_path / "copy").glob("store-*"))) == 1
    everything = b"".join(path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file())
    assert b"which nobody else says" not in everything


def test_what_was_purged_since_stays_purged(database: Database, settings: Settings, tmp_path: Path) -> None:
    plant(database, settings, Seed("a", "alpha, a sentence to be forgotten"))
    plant(database, settings, Seed("b", "beta"))
    backup(database, settings, tmp_path / "copy")
    purge_document(database, settings, "a", OPERATOR)
    report = restore(settings, tmp_path / "copy", force=True)
    assert report.purged_again == 1
    assert ids(database) == ["b"]
    everything = b"".join(path.read_bytes() for path in settings.home.rglob("*") if path.is_file())
    assert b"a sentence to be forgotten" not in everything
    assert healthy(settings)


def test_a_damaged_backup_is_refused_before_anything_changes(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    plant(database, settings, Seed("a", "alpha"))
    copy = tmp_path / "copy"
    backup(database, settings, copy)
    plant(database, settings, Seed("b", "beta"))
    for path in [*copy.glob("store-*"), *(copy / "blobs").glob("*/*"), copy / "manifest.json"]:
        whole = path.read_bytes()
        for broken in (whole[: len(whole) // 2], b"", None):
            path.unlink()
            if broken is not None:
                path.write_bytes(broken)
            with pytest.raises(InvalidInput):
                restore(settings, copy, force=True)
            path.write_bytes(whole)
    assert ids(database) == ["a", "b"]
    (copy / "manifest.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(InvalidInput, match="99"):
        restore(settings, copy)


@pytest.mark.parametrize("manifest", [[], {}, {"format": 1}, {"format": 1, "store": "s", "documents": 0, "blobs": [1]}])
def test_a_manifest_that_names_no_backup_is_refused(settings: Settings, tmp_path: Path, manifest: object) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInput, match="holds no whole backup"):
        restore(settings, tmp_path)


def test_what_is_not_of_a_backup_stays_beside_it(database: Database, settings: Settings, tmp_path: Path) -> None:
    kept = ["store-of-mine.db", "store-2026.db-wal", f"store-{'a' * 63}.db", "notes.unfinished"]
    left = [f"store-{'a' * 64}.db", f"store-{'b' * 32}.unfinished-wal"]
    for name in kept + left:
        (tmp_path / name).write_text("here before")
    backup(database, settings, tmp_path)
    assert [name for name in kept + left if (tmp_path / name).exists()] == kept


def test_a_backup_inside_the_home_is_refused(database: Database, settings: Settings) -> None:
    with pytest.raises(InvalidInput):
        backup(database, settings, settings.home / "backup")


def test_backups_while_others_write_are_consistent(database: Database, settings: Settings, tmp_path: Path) -> None:
    """Whatever the moment, every document of the copy has its blob, its passages and their vectors."""
    stop = threading.Event()

    def write() -> None:
        for number in range(1000):
            if stop.is_set():
                return
            plant(database, settings, Seed(f"d{number}", f"text {number}\n\nmore {number}"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            backup(database, settings, tmp_path / "copy")
    finally:
        stop.set()
        writer.join()
    other = load_settings(tmp_path / "elsewhere")
    restore(other, tmp_path / "copy")
    assert healthy(other)


def test_a_store_beyond_opening_is_set_aside_by_force(settings: Settings, tmp_path: Path) -> None:
    if settings.storage.database_url is not None:
        pytest.skip("a server's store is not a file of ours")
    database = Database.open(settings)
    plant(database, settings, Seed("a", "alpha"))
    backup(database, settings, tmp_path / "copy")
    database.close()
    (settings.home / "attest.db").write_bytes(b"\0" * 5000 + b"gone")
    assert [result.ok for result in examine(settings)] == [False]
    restore(settings, tmp_path / "copy", force=True)
    assert healthy(settings)
    assert list(settings.home.glob("broken-*-attest.db"))


def test_from_one_database_to_the_other(tmp_path: Path, postgres_server) -> None:
    from core.settings import Storage

    small = load_settings(tmp_path / "small")
    database = Database.open(small)
    plant(database, small, Seed("b", "alpha"))
    plant(database, small, Seed("a", "alpha", duplicate_of="b"))
    with database.write() as session:  # a reference to a row of a higher number
        session.scalar(select(Document).where(Document.id == "b")).near_duplicate_of = 2
    backup(database, small, tmp_path / "copy")
    database.close()
    with postgres_server.database() as url:
        large = load_settings(tmp_path / "large").model_copy(update={"storage": Storage(database_url=url)})
        restore(large, tmp_path / "copy")
        assert healthy(large)
        database = Database.open(large)
        plant(database, large, Seed("c", "gamma"))
        assert ids(database) == ["a", "b", "c"]
        backup(database, large, tmp_path / "copy2")
        database.close()
    back = load_settings(tmp_path / "back")
    restore(back, tmp_path / "copy2")
    assert healthy(back)
