"""A thousand bits flipped and files cut in snapshots: each is noticed, and the answer is the one SQL gives."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from app.doctor import examine
from bench.victim import WordEncoder, index_rows
from core.db.session import Database
from core.settings import Settings, load_settings
from ingest.report import IngestOptions, TextRecord
from ingest.run import ingest_texts
from retriever import follower as following
from retriever.follower import Follower
from retriever.snapshot import IndexIdentity, load_newest

DAMAGES = 1000


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Database, Settings, IndexIdentity, Path]:
    """A store with one published snapshot."""
    settings = load_settings(tmp_path / "home")
    database = Database.open(settings)
    records = [TextRecord(f"/{n}", f"Document {n} says word{n} and word{n * 7}.") for n in range(20)]
    encoder = WordEncoder()
    ingest_texts(records, IngestOptions(), database=database, settings=settings, encoder=encoder)
    monkeypatch.setattr(following, "PUBLISH_AFTER", 1)
    monkeypatch.setattr(following, "PUBLISH_SHARE", 0.0)
    follower = Follower(database, settings, encoder)
    follower.sync()
    identity = follower.indexes.identity
    follower.close()
    (snapshot,) = (settings.indexes / "g1").glob("v*")
    yield database, settings, identity, snapshot
    database.close()


def damage(draw: random.Random, files: list[Path]) -> tuple[Path, bytes]:
    path = draw.choice(files)
    whole = path.read_bytes()
    broken = bytearray(whole)
    if draw.random() < 0.8:
        broken[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
    else:
        del broken[draw.randrange(len(whole)) :]
    path.unlink()  # hard links: only this snapshot's copy is damaged
    path.write_bytes(broken)
    return path, whole


def test_a_damaged_snapshot_is_never_used(store, tmp_path: Path) -> None:
    _, _, identity, snapshot = store
    draw = random.Random(11)
    files = sorted(path for path in snapshot.rglob("*") if path.is_file() and path.stat().st_size)
    seq = int(snapshot.name[1:])
    whole = load_newest(snapshot.parent, identity, tmp_path / "whole", range(seq + 1))
    assert whole is not None
    for number in range(DAMAGES):
        path, content = damage(draw, files)
        found = load_newest(snapshot.parent, identity, tmp_path / str(number), range(seq + 1))
        same = found is not None and (
            found.seq == whole.seq
            and found.ids.tobytes() == whole.ids.tobytes()
            and found.versions.tobytes() == whole.versions.tobytes()
            and found.vectors.tobytes() == whole.vectors.tobytes()
        )
        # a flip that changes nothing the manifest means (a space in its JSON) may pass; anything else may not
        assert found is None or (same and path.name == "manifest.json"), f"damage {number} to {path.name} was used"
        path.write_bytes(content)


def test_a_process_that_starts_on_a_damaged_snapshot_answers_from_sql(store) -> None:
    _, settings, _, snapshot = store
    truth = index_rows(settings)
    draw = random.Random(12)
    for _ in range(10):  # each start puts a sound snapshot in the damaged one's place
        damage(draw, sorted(path for path in snapshot.rglob("*") if path.is_file() and path.stat().st_size))
        assert index_rows(settings) == truth


def test_the_doctor_finds_and_mends_a_damaged_snapshot(store) -> None:
    _, settings, _, snapshot = store
    damage(random.Random(13), [snapshot / "vectors.f32"])
    assert [result.name for result in examine(settings) if not result.ok] == ["snapshots"]
    assert all(result.ok for result in examine(settings, repair=True))
    assert all(result.ok for result in examine(settings))
