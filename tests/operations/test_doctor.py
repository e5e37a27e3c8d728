"""Each thing that can be wrong is found by the check that is for it, and mended where a program can."""

from __future__ import annotations

import json
import os
import time

import pytest
from sqlalchemy import delete, select, update

from app import doctor_store
from app.cli import run
from app.doctor import CheckResult, Patient, examine
from core.blobs import BlobStore
from core.db.changes import append_changes
from core.db.models import Change, ChunkRow, Document, DocumentAccess, DocumentVersion, EmbeddingRow, IngestRun
from core.db.session import Database
from core.settings import Settings
from ingest.report import IngestOptions
from ingest.runs import RunRecord
from tests.operations.seeding import Seed, plant


def wrong(settings: Settings, *, repair: bool = False) -> dict[str, CheckResult]:
    return {result.name: result for result in examine(settings, repair=repair) if not result.ok}


def test_a_healthy_home_is_found_healthy(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("a", "alpha\n\nbeta", allow=("user:ana",)))
    plant(database, settings, Seed("b", "alpha\n\nbeta", duplicate_of="a"))
    assert wrong(settings) == {}


def test_damaged_and_missing_originals(database: Database, settings: Settings, tmp_path) -> None:
    source = tmp_path / "a.txt"
    source.write_text("alpha")
    plant(database, settings, Seed("a", "alpha", source=str(source)))
    plant(database, settings, Seed("b", "beta"))
    store = BlobStore(settings.blobs)
    names = {name: store.path(name) for name in store.names()}
    for path in names.values():
        path.write_bytes(b"rotten")
    found = wrong(settings)
    assert set(found) == {"blobs"}
    assert found["blobs"].detail.count("is damaged") == 2
    assert "restore" in found["blobs"].fix
    left = wrong(settings, repair=True)["blobs"].detail  # one source still lies where it was
    assert left.count("is damaged") == 1
    assert "/docs/b.txt" in left


def test_files_nobody_names(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("a", "alpha"))
    store = BlobStore(settings.blobs)
    path = store.path(store.put(b"nobody's"))
    assert wrong(settings) == {}  # young: a running ingest may be about to name it
    old = time.time() - 7200
    os.utime(path, (old, old))
    assert set(wrong(settings)) == {"orphan_blobs"}
    assert wrong(settings, repair=True) == {}
    assert not path.exists()
    assert len(list(store.names())) == 1


def test_passages_and_vectors(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("a", "alpha\n\nbeta\n\ngamma"))
    with database.write() as session:
        first, second, third = session.scalars(select(ChunkRow).order_by(ChunkRow.id))
        first.text = "omega"
        session.execute(delete(EmbeddingRow).where(EmbeddingRow.chunk_id == second.id))
        session.execute(update(EmbeddingRow).where(EmbeddingRow.chunk_id == third.id).values(vector=b"\0" * 32))
    found = wrong(settings)
    assert set(found) == {"chunks", "vectors"}
    assert "not in the text" in found["chunks"].detail
    assert "no vector" in found["chunks"].detail
    assert "unit length" in found["vectors"].detail


def test_a_log_that_forgot_and_one_that_remembers(database: Database, settings: Settings) -> None:
    for name in "abc":
        plant(database, settings, Seed(name, f"text of {name}"))
    with database.write() as session:
        session.execute(delete(Change).where(Change.chunk_id == 1))
        session.scalars(select(Document).where(Document.id == "b")).one().state = "deleted"
        append_changes(session, "remove", [3], 1)
        append_changes(session, "add", [3], 1)
    detail = wrong(settings)["change_log"].detail
    assert "passage 1 was never added" in detail
    assert "passage 2 was never removed" in detail
    assert "passage 3" not in detail
    assert wrong(settings, repair=True) == {}


def test_a_duplicate_without_its_like(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("a", "alpha"))
    plant(database, settings, Seed("b", "alpha", duplicate_of="a"))
    with database.write() as session:
        session.scalars(select(DocumentVersion).where(DocumentVersion.key == 1)).one().text_sha256 = "0" * 64
    assert set(wrong(settings)) == {"duplicates"}
    assert wrong(settings, repair=True) == {}
    with database.read() as session:
        assert session.scalars(select(Document).where(Document.id == "b")).one().duplicate_of is None


def test_access_entries_of_no_list(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("a", "alpha"))
    with database.write() as session:
        session.add(DocumentAccess(document_key=1, principal="user:eve"))
    assert set(wrong(settings)) == {"permissions"}
    assert wrong(settings, repair=True) == {}


def test_a_damaged_database_file(settings: Settings) -> None:
    if settings.storage.database_url is not None:
        pytest.skip("a server keeps its own integrity")
    database = Database.open(settings)
    for number in range(50):
        plant(database, settings, Seed(f"d{number}", f"text {number} " * 50))
    database.close()
    path = settings.home / "attest.db"
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 2, len(content) // 2 + 20_000):
        content[at] = 0xA5
    path.write_bytes(content)
    found = examine(settings)
    assert not all(result.ok for result in found)
    assert all(result.fix for result in found if not result.ok)


def test_another_embedder_than_the_settings_name(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("a", "alpha"))
    found = wrong(settings)
    assert set(found) == {"embedder"}
    assert "attest reindex" in found["embedder"].fix


def test_the_command_line_says_it_in_one_object(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "home"))
    assert run(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert all(set(check) == {"name", "ok", "detail", "fix"} for check in report["checks"])
    (tmp_path / "home" / "attest.db").write_bytes(b"no database" * 1000)
    for path in (tmp_path / "home").glob("attest.db-*"):
        path.unlink()
    assert run(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert "attest restore" in report["checks"][0]["fix"]


def test_keys_access_and_groups_from_the_command_line(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "home"))

    def said(*words: str) -> dict:
        assert run([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    made = said("keys", "create", "user:ana", "--name", "laptop")
    assert made["key"].startswith(f"attest_{made['prefix']}_")
    listed = said("keys", "list")["keys"]
    assert [key["prefix"] for key in listed] == [made["prefix"]]
    assert made["key"] not in json.dumps(listed)
    said("keys", "revoke", made["prefix"])
    assert said("keys", "list")["keys"][0]["revoked_at"]
    assert said("access", "grant", "group:hr", "--collection", "hr")["principals"] == ["group:hr"]
    assert said("access", "revoke", "group:hr", "--collection", "hr")["principals"] == []
    said("groups", "add", "user:ana", "group:hr")
    assert said("groups", "list")["groups"] == {"group:hr": ["user:ana"]}
    said("groups", "remove", "user:ana", "group:hr")
    assert said("groups", "list")["groups"] == {}
    for words in (["keys", "create"], ["access", "show"], ["access", "grant", "nobody", "--collection", "hr"]):
        assert run(words) == 2
    assert run(["keys", "nonsense"]) == 2


def test_a_killed_run_is_settled_by_the_doctor_and_by_the_next_run(database: Database, settings: Settings) -> None:
    def begin(name: str) -> None:
        run = RunRecord.start(database, settings, IngestOptions(run_id=name))
        run._claim._lock.close()  # what the system does for a process that dies

    def states() -> dict[str, str]:
        with database.read() as session:
            return dict(session.execute(select(IngestRun.id, IngestRun.state)).tuples().all())

    begin("one")
    assert set(wrong(settings)) == {"runs"}
    assert wrong(settings, repair=True) == {}
    assert states() == {"one": "interrupted"}
    begin("two")
    living = RunRecord.start(database, settings, IngestOptions(run_id="three"))
    assert states() == {"one": "interrupted", "two": "interrupted", "three": "running"}
    assert wrong(settings) == {}
    living.finish()
    assert list((settings.home / "runs").iterdir()) == []


def test_a_check_that_cannot_be_made_is_told_with_the_others(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_patient: Patient) -> None:
        raise KeyError("at")

    monkeypatch.setitem(doctor_store.STORE_CHECKS, "audit", broken)
    found = wrong(settings)
    assert set(found) == {"audit"}
    assert "KeyError" in found["audit"].detail
