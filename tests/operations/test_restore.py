"""What a restore brings back beside documents, what it leaves to the home, and when it may set a store aside."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, text

from app import keys
from app.backup import backup, restore
from app.cli import run
from app.doctor import examine
from core.db.changes import last_seq
from core.db.models import ApiKey, Document, IngestRun, Purge
from core.db.session import Database
from core.errors import Busy, Conflict, HomeUnwritable, InvalidInput, StoreDamaged, StoreUnavailable
from core.home import FITTED
from core.settings import Settings, load_settings
from core.types import OPERATOR
from generation.calibration import FILE
from ingest.purge import purge_document
from retriever.glossary import NAME
from tests.operations.seeding import Seed, plant

TOML = '[generation]\nvllm_api_key = "secret"\n'
FILES = {
    "attest.toml": TOML,
    "glossary.txt": "PTO = annual leave\n",
    "calibration.json": "{}",
    "adapters/toxicity/v1/card.json": "{}",
    "adapters/toxicity/current": "v1\n",
    "tasks/answer/task.json": "{}",
    "uploads/waiting/request.json": "{}",
    "uploads/waiting/0": "a page that was acknowledged",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """SQLite alone: only its file can be set aside."""
    return load_settings(tmp_path / "home")


def fill(home: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)


def held(home: Path) -> dict[str, str]:
    """What of the fitted files lies in a home."""
    return {name: (home / name).read_text() for name in FILES if (home / name).is_file()}


def damage(path: Path) -> None:
    """Spoil the page of a table that opening does not read."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'changes'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


def test_the_names_of_what_is_fitted_are_those_it_is_written_under() -> None:
    assert {FILE, NAME} < set(FITTED)


def test_what_was_fitted_comes_back(database: Database, settings: Settings, tmp_path: Path) -> None:
    plant(database, settings, Seed("a", "alpha"))
    fill(settings.home, {**FILES, "uploads/.partial/0": "not acknowledged", "notes.txt": "nobody's"})
    report = backup(database, settings, tmp_path / "copy")
    assert report.home_files == len(FILES)
    other = load_settings(tmp_path / "elsewhere")
    assert restore(other, tmp_path / "copy").home_files == len(FILES)
    assert held(other.home) == FILES
    assert not (other.home / "notes.txt").exists()
    assert not (other.home / "uploads/.partial").exists()
    assert (other.home / "attest.toml").stat().st_mode & 0o777 == 0o600


def test_a_fitted_file_that_is_gone_leaves_the_next_backup(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    fill(settings.home, FILES)
    backup(database, settings, tmp_path / "copy")
    (settings.home / "glossary.txt").unlink()
    backup(database, settings, tmp_path / "copy")
    everything = b"".join(path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file())
    assert b"annual leave" not in everything


def test_a_damaged_fitted_file_refuses_the_backup(database: Database, settings: Settings, tmp_path: Path) -> None:
    fill(settings.home, FILES)
    backup(database, settings, tmp_path / "copy")
    (victim, *_) = (path for path in (tmp_path / "copy" / "home").rglob("*") if path.is_file())
    victim.write_bytes(b"rotten")
    with pytest.raises(InvalidInput, match="missing or damaged"):
        restore(load_settings(tmp_path / "elsewhere"), tmp_path / "copy")


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "attest.db", "blobs/aa/bb", ".hidden", "tasks/../../out"])
def test_a_manifest_may_not_name_files_elsewhere(
    database: Database, settings: Settings, tmp_path: Path, name: str
) -> None:
    backup(database, settings, tmp_path / "copy")
    manifest = json.loads((tmp_path / "copy" / "manifest.json").read_text())
    (tmp_path / "copy" / "manifest.json").write_text(json.dumps(manifest | {"home": {name: "a" * 64}}))
    with pytest.raises(InvalidInput, match="holds no whole backup"):
        restore(load_settings(tmp_path / "elsewhere"), tmp_path / "copy")


def test_a_backup_of_an_older_program_brings_back_what_it_holds(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    plant(database, settings, Seed("a", "alpha"))
    backup(database, settings, tmp_path / "copy")
    manifest = json.loads((tmp_path / "copy" / "manifest.json").read_text())
    del manifest["home"]
    (tmp_path / "copy" / "manifest.json").write_text(json.dumps(manifest))
    assert restore(load_settings(tmp_path / "elsewhere"), tmp_path / "copy").documents == 1


def test_what_the_home_has_of_its_own_stays_unless_forced(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    fill(settings.home, FILES)
    backup(database, settings, tmp_path / "copy")
    own = {"attest.toml": "[retrieval]\nk = 5\n", "glossary.txt": "PTO = paid time off\n"}
    other = load_settings(tmp_path / "elsewhere")
    fill(other.home, own)
    report = restore(other, tmp_path / "copy")
    assert held(other.home) == FILES | own
    assert [note.split()[0] for note in report.notes] == ["attest.toml", "glossary.txt"]
    report = restore(other, tmp_path / "copy", force=True)
    assert held(other.home) == FILES
    assert len(report.notes) == 2
    kept = [path.read_text() for path in other.home.glob("*.before-*")]
    assert sorted(kept) == sorted(own.values())
    assert restore(other, tmp_path / "copy", force=True).notes == ()


@pytest.mark.parametrize(
    "section", ['[storage]\ndatabase_url = "postgresql://db/live"', '[milvus]\nuri = "http://live:19530"', "[nonsense]"]
)
def test_settings_that_name_another_store_are_not_put_in_force(
    database: Database, settings: Settings, tmp_path: Path, section: str
) -> None:
    """A restore that is tried out elsewhere must not work on the store in use from then on."""
    fill(settings.home, {"attest.toml": section})
    backup(database, settings, tmp_path / "copy")
    other = load_settings(tmp_path / "elsewhere")
    (note,) = restore(other, tmp_path / "copy").notes
    assert "not in force" in note
    assert not (other.home / "attest.toml").exists()
    (kept,) = other.home.glob("attest.toml.of-backup-*")
    assert kept.read_text() == section


def test_an_upload_whose_run_is_done_is_not_read_again(database: Database, settings: Settings, tmp_path: Path) -> None:
    """Its documents may have been purged since."""
    fill(settings.home, FILES)
    with database.write() as session:
        session.add(IngestRun(id="waiting", state="queued", principal="user:ana", report={}))
    backup(database, settings, tmp_path / "copy")
    with database.write() as session:
        session.get_one(IngestRun, "waiting").state = "done"
    for path in (settings.home / "uploads/waiting").iterdir():
        path.unlink()
    (settings.home / "uploads/waiting").rmdir()
    restore(settings, tmp_path / "copy", force=True)
    assert not (settings.home / "uploads/waiting").exists()


@pytest.mark.parametrize("error", [Busy, HomeUnwritable, StoreUnavailable])
def test_a_store_that_only_cannot_be_opened_now_is_not_set_aside(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    database = Database.open(settings)
    backup(database, settings, tmp_path / "copy")
    database.close()

    def refuse(_settings: Settings) -> Database:
        raise error("not now")

    monkeypatch.setattr(Database, "open", refuse)
    with pytest.raises(error):
        restore(settings, tmp_path / "copy", force=True)
    assert list(settings.home.glob("broken-*")) == []


def test_a_store_of_a_newer_program_is_not_set_aside(database: Database, settings: Settings, tmp_path: Path) -> None:
    backup(database, settings, tmp_path / "copy")
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="newer"):
        restore(settings, tmp_path / "copy", force=True)
    assert list(settings.home.glob("broken-*")) == []


def test_a_damaged_store_that_is_set_aside_leaves_its_purges_and_keys(settings: Settings, tmp_path: Path) -> None:
    database = Database.open(settings)
    plant(database, settings, Seed("a", "alpha"))
    plant(database, settings, Seed("b", "beta"))
    with database.write() as session:
        lost = keys.create_key(session, "user:ana")
    backup(database, settings, tmp_path / "copy")
    with database.write() as session:
        keys.revoke_key(session, lost.prefix)
        made = keys.create_key(session, "user:bob")
    purge_document(database, settings, "a", OPERATOR)
    with database.read() as session:
        before = last_seq(session)
    database.close()
    damage(settings.home / "attest.db")

    with pytest.raises(StoreDamaged, match="--force"):
        restore(settings, tmp_path / "copy")
    report = restore(settings, tmp_path / "copy", force=True)
    assert report.purged_again == 1
    assert [note.partition(" as ")[0] for note in report.notes] == ["the damaged store was set aside"]
    database = Database.open(settings)
    with database.read() as session:
        assert session.scalars(select(Document.id).where(Document.state == "live")).all() == ["b"]
        assert session.scalars(select(Purge.document_id)).all() == ["a"]
        revoked = {key.prefix: key.revoked_at is not None for key in session.scalars(select(ApiKey))}
        assert last_seq(session) > before
    database.close()
    assert revoked == {lost.prefix: True, made.prefix: False}
    assert [result for result in examine(settings) if not result.ok and result.name != "embedder"] == []


def test_what_cannot_be_read_of_a_damaged_store_is_said(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database.open(settings)
    backup(database, settings, tmp_path / "copy")
    database.close()
    (settings.home / "attest.db").write_bytes(b"\0" * 5000)
    monkeypatch.setenv("ATTEST_HOME", str(settings.home))
    assert run(["restore", str(tmp_path / "copy"), "--force", "--json"]) == 0
    shown = capsys.readouterr()
    assert len(json.loads(shown.out)["notes"]) == 3
    assert "its purges cannot all be read" in shown.err
    assert "its keys cannot all be read" in shown.err


def test_nothing_of_a_restore_is_left_behind(database: Database, settings: Settings, tmp_path: Path) -> None:
    fill(settings.home, FILES)
    backup(database, settings, tmp_path / "copy")
    other = load_settings(tmp_path / "elsewhere")
    restore(other, tmp_path / "copy")
    assert list(other.home.glob("restoring-*")) == []
