"""What is purged is nowhere: no row, no file, no byte in SQLite's free pages or its log."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from app.doctor import examine
from bench.victim import WordEncoder
from core.blobs import BlobStore
from core.claims import Claim
from core.db.models import AuditRow, Conversation, Document, DocumentVersion, Purge, Turn
from core.db.session import Database
from core.errors import Conflict, Forbidden, NotFound
from core.settings import Settings, Storage
from core.types import OPERATOR, Principal
from ingest import committing
from ingest import purge as purging
from ingest.purge import finish_purges, purge_document
from ingest.remnants import Probes
from ingest.report import IngestOptions, IngestReport
from ingest.run import ingest
from tests.operations.seeding import Seed, plant, vector_of

SECRET = "The salary of Ines Fontaine is four hundred thousand."


def text_about(number: int) -> str:
    return "\n\n".join(f"Paragraph {part} of document {number} about nothing in particular." for part in range(30))


def everything(settings: Settings) -> bytes:
    return b"\0".join(path.read_bytes() for path in sorted(settings.home.rglob("*")) if path.is_file())


def crowd(database: Database, settings: Settings) -> None:
    for number in range(5):
        plant(database, settings, Seed(f"d{number}", text_about(number), allow=("public",)))


def test_nothing_is_left_of_it(database: Database, settings: Settings) -> None:
    crowd(database, settings)
    plant(database, settings, Seed("secret", f"{SECRET}\n\n{text_about(99)}", allow=("public",)))
    plant(database, settings, Seed("after", text_about(6)))
    vector = vector_of(SECRET)
    before = everything(settings)
    assert SECRET.encode() in before
    report = purge_document(database, settings, "secret", OPERATOR)
    assert report["deleted"]
    assert set(report["verified"].values()) == {0}
    assert {"documents", "chunks", "embeddings", "blobs", "answers", "audit", "indexes", "files"} <= set(
        report["verified"]
    )
    after = everything(settings)
    assert SECRET.encode() not in after
    assert b"Ines Fontaine" not in after
    assert vector not in after
    assert all(result.ok for result in examine(settings))
    with database.read() as session:
        assert len(session.scalars(select(Document)).all()) == 6
    with pytest.raises(NotFound):
        purge_document(database, settings, "secret", OPERATOR)


def test_stored_answers_that_quote_it_are_emptied(database: Database, settings: Settings) -> None:
    crowd(database, settings)
    plant(database, settings, Seed("secret", SECRET))
    answers = {
        "cites": {"text": SECRET, "citations": [{"document_id": "secret", "quote": SECRET}], "outcome": "answered"},
        "other": {"text": "fine", "citations": [{"document_id": "d1", "quote": "fine"}], "outcome": "answered"},
    }
    with database.write() as session:
        session.add(Conversation(id="c", principal="user:ana", title="t"))
        session.flush()
        for ordinal, (name, answer) in enumerate(answers.items()):
            session.add(
                Turn(answer_id=name, conversation_id="c", ordinal=ordinal, question="q", query="q", answer=answer)
            )
            record = {"citations": [{"document_id": answer["citations"][0]["document_id"]}]}
            session.add(AuditRow(answer_id=name, record=record, content=answer, previous="p", sha256=name))
    assert purge_document(database, settings, "secret", OPERATOR)["verified"]["answers"] == 0
    with database.read() as session:
        cleared, kept = session.get_one(Turn, "cites").answer, session.get_one(Turn, "other").answer
        assert (cleared["text"], cleared["citations"], cleared["outcome"]) == ("", [], "answered")
        assert kept == answers["other"]
        contents = dict(session.execute(select(AuditRow.answer_id, AuditRow.content)).all())
        assert contents == {"cites": None, "other": answers["other"]}
        assert all(row.record for row in session.scalars(select(AuditRow)))
    assert SECRET.encode() not in everything(settings)


def test_what_another_document_holds_too_stays(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("first", SECRET))
    plant(database, settings, Seed("twin", SECRET, duplicate_of="first", allow=("public",)))
    assert set(purge_document(database, settings, "first", OPERATOR)["verified"].values()) == {0}
    with database.read() as session:
        twin = session.scalars(select(Document)).one()
        assert (twin.id, twin.duplicate_of) == ("twin", None)
    assert len(list(BlobStore(settings.blobs).names())) == 1
    assert all(result.ok for result in examine(settings))


def test_only_the_operator_purges(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("a", "alpha", allow=("user:ana",)))
    with pytest.raises(Forbidden):
        purge_document(database, settings, "a", Principal("user:ana"))


def test_bytes_found_anywhere_under_the_home_are_reported(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("secret", SECRET))
    stray = settings.home / "notes" / "export.bin"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"\x00" * 100 + SECRET.encode() + b"\x00")
    with pytest.raises(Conflict, match="1 in files"):
        purge_document(database, settings, "secret", OPERATOR)
    assert [result.name for result in examine(settings) if not result.ok] == ["purges"]
    stray.unlink()
    assert finish_purges(database, settings) == 1
    assert all(result.ok for result in examine(settings))


@pytest.mark.parametrize(
    "point",
    ["purge.hidden", "purge.before_blobs", "purge.blob_deleted", "purge.rows_gone", "purge.reset", "purge.reclaimed"],
)
def test_an_interrupted_purge_hides_at_once_and_is_finished_later(
    database: Database, settings: Settings, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(database, settings)
    plant(database, settings, Seed("secret", SECRET, allow=("public",)))

    class Killed(BaseException):
        pass

    def stop(name: str) -> None:
        if name == point:
            raise Killed

    monkeypatch.setattr(purging, "failpoint", stop)
    with pytest.raises(Killed):
        purge_document(database, settings, "secret", OPERATOR)
    monkeypatch.undo()
    with database.read() as session:
        assert session.scalar(select(Document.id).where(Document.id == "secret", Document.state == "live")) is None
        assert session.get_one(Purge, "secret").finished_at is None
    assert not all(result.ok for result in examine(settings))
    assert [result for result in examine(settings, repair=True) if not result.ok] == []
    assert SECRET.encode() not in everything(settings)


def test_a_file_whose_twin_is_purged_between_reading_and_commit_keeps_its_original(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(SECRET)
    take_in(database, settings, tmp_path / "one")
    whole = committing.commit_documents

    def purge_first(*arguments: object) -> object:
        monkeypatch.undo()
        with database.read() as session:
            twin = session.scalars(select(Document.id)).one()
        assert purge_document(database, settings, twin, OPERATOR)["deleted"]
        return whole(*arguments)

    monkeypatch.setattr(committing, "commit_documents", purge_first)
    assert not take_in(database, settings, tmp_path / "two").failed
    assert [result for result in examine(settings) if not result.ok and result.name != "embedder"] == []
    with database.read() as session:
        blob = session.scalars(select(DocumentVersion.blob_sha256)).one()
    assert BlobStore(settings.blobs).read(blob) == SECRET.encode()


def test_copies_that_parsers_left_are_cleared_or_counted(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("secret", SECRET, allow=("public",)))
    dead, living = settings.home / "parsing" / "12-dead", Claim(settings.home / "parsing")
    dead.mkdir()
    for folder in (dead, living.folder):
        (folder / "input").write_text(SECRET)
    with pytest.raises(Conflict, match="1 in parsing"):
        purge_document(database, settings, "secret", OPERATOR)
    assert not dead.exists()
    living.release()
    assert finish_purges(database, settings) == 1
    assert SECRET.encode() not in everything(settings)


def test_stores_of_a_search_over_settings_are_dropped(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("secret", SECRET, allow=("public",)))
    trial = settings.model_copy(update={"home": settings.trials / "cut-128-20", "storage": Storage()})
    trial.home.mkdir(parents=True)
    filled = Database.open(trial)
    plant(filled, trial, Seed("secret", SECRET))
    filled.close()
    (settings.trials / "embeddings.db").write_bytes(vector_of(SECRET))
    (settings.trials / "studies.db").write_bytes(b"figures")
    assert set(purge_document(database, settings, "secret", OPERATOR)["verified"].values()) == {0}
    assert [path.name for path in settings.trials.iterdir()] == ["studies.db"]


def take_in(database: Database, settings: Settings, folder: Path) -> IngestReport:
    return ingest([folder], IngestOptions(workers=1), database=database, settings=settings, encoder=WordEncoder())


def test_probes_miss_nothing_of_the_kinds_of_file_we_write(tmp_path: Path) -> None:
    vector = vector_of(SECRET, 64)
    probes = Probes(1, (1,), ((SECRET[:40], vector[:64]),))
    assert len(probes.passages) == 1
    from ingest.remnants import _half, files_holding

    wanted = [SECRET[:40].encode(), vector[:64], _half(vector[:64])]
    import numpy as np

    halves = np.frombuffer(vector, "<f4").astype("<f2").tobytes()
    for number, content in enumerate((SECRET.encode(), vector, halves)):
        (tmp_path / str(number)).write_bytes(b"x" * 10_000 + content)
    (tmp_path / "clean").write_bytes(b"x" * 10_000)
    (tmp_path / "empty").write_bytes(b"")
    found = files_holding(sorted(tmp_path.iterdir()), wanted)
    assert [path.name for path in found] == ["0", "1", "2"]
