from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.db.changes import demand_rebuild
from core.db.models import Generation
from core.errors import IndexMismatch, InvalidSetting
from core.settings import load_settings
from core.types import OPERATOR, Query
from retriever import follower as follower_module
from retriever.snapshot import drop_snapshots


@pytest.fixture(autouse=True)
def snapshot_every_change(monkeypatch):
    monkeypatch.setattr(follower_module, "PUBLISH_AFTER", 1)


def names(retriever, text="leave", **options):
    """Return the document of every passage found; neighbours come joined, a line each."""
    hits = retriever.retrieve(Query(text), OPERATOR, k=50, **options).hits
    return sorted(hit.chunk.document_id for hit in hits for _ in hit.chunk.text.splitlines())


def snapshots(settings):
    return sorted(settings.indexes.glob("g*/v*"))


@pytest.fixture
def filled(library):
    for number in range(6):
        library.add(f"doc{number}", [f"Rule {number} on annual leave.", f"Rule {number} on sick leave."])
    return library


def test_a_snapshot_is_loaded_and_the_log_after_it_replayed(filled, settings, open_retriever, caplog):
    open_retriever().close()
    assert len(snapshots(settings)) == 1
    filled.add("late", ["A late rule on leave."])
    filled.delete("doc0")
    with caplog.at_level(logging.WARNING):
        retriever = open_retriever()
    assert retriever.seq == filled.last_seq()
    expected = sorted([*(f"doc{n}" for n in range(1, 6) for _ in range(2)), "late"])
    for mode in ("dense", "lexical"):
        assert names(retriever, mode=mode) == expected
    assert "not used" not in caplog.text


def damage_vectors(folder: Path) -> None:
    content = bytearray((folder / "vectors.f32").read_bytes())
    content[5] ^= 1
    (folder / "vectors.f32").write_bytes(content)


def damage_words(folder: Path) -> None:
    victim = sorted((folder / "lexical").glob("*.term"))[0]
    content = victim.read_bytes()
    victim.unlink()  # it is linked to the copy another process uses
    victim.write_bytes(content[:-1] + b"?")


def lose_a_file(folder: Path) -> None:
    (folder / "ids.i64").unlink()


def garble_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"seq": 1')


def name_another_embedder(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["identity"]["revision"] = "other"
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "damage", [damage_vectors, damage_words, lose_a_file, garble_the_manifest, name_another_embedder]
)
def test_a_damaged_snapshot_is_named_and_rebuilt_from_sql(filled, settings, open_retriever, caplog, damage):
    open_retriever().close()
    damage(snapshots(settings)[-1])
    with caplog.at_level(logging.WARNING):
        retriever = open_retriever()
    assert "is not used and will be rebuilt" in caplog.text
    for mode in ("dense", "lexical"):
        assert names(retriever, mode=mode) == sorted(f"doc{n}" for n in range(6) for _ in range(2))


@pytest.mark.parametrize("damage", [damage_words, lose_a_file, garble_the_manifest])
def test_a_damaged_snapshot_is_replaced_by_a_sound_one(filled, settings, open_retriever, caplog, damage):
    open_retriever().close()
    damage(snapshots(settings)[-1])
    open_retriever().close()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        open_retriever()
    assert "is not used" not in caplog.text
    assert len(snapshots(settings)) == 1


def test_what_the_snapshot_holds_equals_what_sql_holds(filled, settings, open_retriever):
    open_retriever().close()
    from_snapshot = open_retriever()
    shutil.rmtree(snapshots(settings)[-1])
    from_sql = open_retriever()
    for query in ("annual leave", "sick rule 3"):
        one = from_snapshot.retrieve(Query(query), OPERATOR, k=12)
        two = from_sql.retrieve(Query(query), OPERATOR, k=12)
        assert [hit.chunk.id for hit in one.hits] == [hit.chunk.id for hit in two.hits]
        np.testing.assert_allclose([h.score for h in one.hits], [h.score for h in two.hits], atol=1e-5)


def test_a_reset_makes_every_process_start_anew(filled, settings, open_retriever, database):
    retriever = open_retriever()
    folder = retriever._follower.indexes.lexical.folder
    with database.write() as session:
        demand_rebuild(session)
    retriever.sync()
    assert not folder.exists()
    assert len(names(retriever)) == 12
    newest = snapshots(settings)[-1]
    assert json.loads((newest / "manifest.json").read_text())["seq"] == retriever.seq
    assert drop_snapshots(settings.indexes) >= 1
    assert snapshots(settings) == []


def test_two_snapshots_are_kept(filled, settings, open_retriever):
    retriever = open_retriever()
    for number in range(4):
        filled.add(f"more{number}", ["More leave."])
        retriever.sync()
    assert len(snapshots(settings)) == 2


def test_another_encoder_is_refused(filled, database, open_retriever):
    with database.write() as session:
        session.get(Generation, 1).revision = "another"
    with pytest.raises(IndexMismatch, match="attest reindex"):
        open_retriever()


def test_several_processes_share_a_home(filled, settings, open_retriever):
    """Three processes open, search and close at once; each works in a folder of its own and leaves none behind."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from core.db.session import Database\n"
        "from core.settings import EmbedderSettings, load_settings\n"
        "from core.types import OPERATOR, Query\n"
        "from models.encoder import load_encoder\n"
        "from retriever import follower\n"
        "from retriever.retriever import Retriever\n"
        "follower.PUBLISH_AFTER = 1\n"
        "settings = load_settings(Path(sys.argv[1]))\n"
        "database = Database.open(settings)\n"
        "retriever = Retriever.open(database, settings, load_encoder(EmbedderSettings(device='cpu')))\n"
        "found = retriever.retrieve(Query('annual leave'), OPERATOR, k=50)\n"
        "print(sum(len(hit.chunk.text.splitlines()) for hit in found.hits))\n"
        "retriever.close()\n"
    )
    command = [sys.executable, "-c", code, str(settings.home)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=120)[0].strip() for process in running] == ["12"] * 3
    assert len(snapshots(settings)) == 1
    assert list((settings.indexes / "work").iterdir()) == []
    assert list(settings.indexes.rglob(".staged-*")) == []


def test_a_dead_process_leaves_no_working_files(filled, settings, open_retriever):
    left = settings.indexes / "work" / "999-dead"
    left.mkdir(parents=True)
    (left / "lock").touch()
    (left / "words").write_text("segment")
    retriever = open_retriever()
    assert not left.exists()
    assert retriever._follower.indexes.lexical.folder.exists()


def test_an_empty_snapshot_is_as_good_as_another(filled, settings, open_retriever, caplog):
    retriever = open_retriever()
    for number in range(6):
        filled.delete(f"doc{number}")
    retriever.sync()
    retriever.close()
    with caplog.at_level(logging.WARNING):
        again = open_retriever()
    assert "not used" not in caplog.text
    assert again._follower.indexes.vectors.view().count == 0
    assert names(again) == []


def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def test_following_goes_on_once_the_index_can_be_written_again(filled, settings, open_retriever):
    retriever = open_retriever(follow=True, follow_interval_s=0.05)
    folder = retriever._follower.indexes.lexical.folder
    away = folder.with_name("away")
    folder.rename(away)
    filled.add("late", ["A late rule on leave."])
    until(lambda: retriever.trouble)
    assert retriever.following
    assert "late" not in names(retriever, mode="lexical")
    away.rename(folder)
    until(lambda: retriever.seq == filled.last_seq() and not retriever.trouble)
    assert names(retriever, mode="lexical").count("late") == 1


@pytest.mark.parametrize("failing", ["wait", "sync"])
def test_whatever_fails_while_following_the_thread_tries_again(filled, open_retriever, monkeypatch, failing):
    monkeypatch.setattr(follower_module, "AGAIN_AFTER_S", 0.01)
    retriever = open_retriever(follow_interval_s=0.05)
    follower, calls = retriever._follower, []
    of, name = (follower._bell, "wait") if failing == "wait" else (follower, "sync")
    working = getattr(of, name)

    def fail_twice(*arguments):
        calls.append(arguments)
        if len(calls) < 3:
            raise RuntimeError("nobody foresaw this")
        return working(*arguments)

    monkeypatch.setattr(of, name, fail_twice)
    follower.start()
    filled.add("late", ["A late rule on leave."])
    until(lambda: retriever.seq == filled.last_seq())
    assert retriever.following


def test_indexes_that_could_not_be_completed_leave_no_files(filled, settings, open_retriever, monkeypatch):
    retriever = open_retriever()
    before = sorted((settings.indexes / "work").glob("*/*"))
    with retriever._follower._database.write() as session:
        demand_rebuild(session)
    monkeypatch.setattr(follower_module.LexicalIndex, "commit", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        retriever.sync()
    assert sorted((settings.indexes / "work").glob("*/*")) == before


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e12", "0"])
def test_a_time_that_nobody_can_wait_is_refused(tmp_path, monkeypatch, seconds):
    monkeypatch.setenv("ATTEST_RETRIEVAL__FOLLOW_INTERVAL_S", seconds)
    with pytest.raises(InvalidSetting, match="follow_interval_s"):
        load_settings(tmp_path)
