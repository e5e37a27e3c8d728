"""Vectors in Milvus (Milvus Lite here): the same answers, the same eyes, the same purges as from memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import bench.leaks_machine
import retriever.authorise
import retriever.permitted
from app.doctor import examine
from bench.leaks import settings_of
from bench.leaks_machine import Machine
from bench.leaks_model import Leak
from bench.victim import WordEncoder
from core.db.changes import demand_rebuild
from core.db.session import Database
from core.errors import IndexMissing
from core.settings import MilvusSettings, Settings
from core.types import OPERATOR, Query
from ingest.documents import delete_document, list_documents
from ingest.purge import purge_document
from ingest.report import IngestOptions, TextRecord
from ingest.run import ingest_texts
from retriever import follower, milvus
from retriever.milvus import client_of
from retriever.retriever import Retriever
from retriever.vectors import search_rows

pytest.importorskip("pymilvus", reason="Milvus NOT TESTED: the milvus extra is not installed")
pytest.importorskip("milvus_lite", reason="Milvus NOT TESTED: milvus-lite is not installed")

ENCODER = WordEncoder(32)
WORDS = [f"word{number}" for number in range(50)]


@pytest.fixture
def remote(settings: Settings, tmp_path: Path) -> Settings:
    retrieval = settings.retrieval.model_copy(update={"index": "milvus"})
    place = MilvusSettings(uri=str(tmp_path / "milvus.db"))
    return settings.model_copy(update={"retrieval": retrieval, "milvus": place})


@pytest.fixture
def opened(database: Database) -> Iterator[Callable[[Settings], Retriever]]:
    retrievers: list[Retriever] = []

    def open_one(settings: Settings) -> Retriever:
        retrievers.append(Retriever.open(database, settings, ENCODER, follow=False))
        return retrievers[-1]

    yield open_one
    for one in retrievers:
        one.close()


def fill(database: Database, settings: Settings, numbers: range) -> None:
    draw = random.Random(str(numbers))
    records = [TextRecord(f"/d{n}", f"Document {n}: " + " ".join(draw.choices(WORDS, k=12))) for n in numbers]
    ingest_texts(records, IngestOptions(), database=database, settings=settings, encoder=ENCODER)


def sources(retriever: Retriever, text: str, mode: str = "dense") -> list[str]:
    return [hit.source for hit in retriever.retrieve(Query(text), OPERATOR, k=10, mode=mode).hits]


def collections(settings: Settings) -> list[str]:
    return sorted(name for name in client_of(settings).list_collections() if not name.endswith(milvus.PROGRESS))


def test_it_finds_what_the_matrix_in_memory_finds(
    database: Database, settings: Settings, remote: Settings, opened: Callable[[Settings], Retriever]
) -> None:
    fill(database, settings, range(300))
    for row in list_documents(database, OPERATOR)[::7]:
        delete_document(database, row["id"], OPERATOR)
    here, there = opened(settings), opened(remote)
    fill(database, settings, range(290, 320))
    here.sync()
    there.sync()
    mine, theirs = here._follower.indexes.vectors.view(), there._follower.indexes.vectors.view()
    assert theirs.matrix[np.arange(3)].shape == (3, 32)
    draw = np.random.default_rng(3)
    for share in (0.02, 0.3, 0.8, 1.0):
        versions = draw.permutation(np.unique(mine.versions))[: max(1, int(share * len(mine.versions)))]
        queries = ENCODER.encode([" ".join(random.Random(n).choices(WORDS, k=3)) for n in range(4)], "query")
        found = {}
        for name, view, search in (("here", mine, search_rows), ("there", theirs, there._dense.search)):
            rows = np.flatnonzero(np.isin(view.versions, versions) & view.alive)
            best, scores = search(view, queries, rows, 10)
            assert np.isin(best, rows).all()
            found[name] = scores
        np.testing.assert_allclose(found["here"], found["there"], atol=1e-5)
    for mode in ("dense", "lexical"):
        assert sources(here, "word3 word7", mode) == sources(there, "word3 word7", mode)
    assert sorted(sources(here, "word3 word7", "hybrid")) == sorted(sources(there, "word3 word7", "hybrid"))


def test_a_snapshot_holds_keys_and_words_and_no_vectors(
    database: Database, remote: Settings, opened: Callable[[Settings], Retriever], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "PUBLISH_AFTER", 1)
    fill(database, remote, range(50))
    expected = sources(opened(remote), "word1 word2")
    snapshot = next(remote.indexes.glob("g*/v*"))
    assert (snapshot / "vectors.f32").stat().st_size == 0
    assert (snapshot / "ids.i64").stat().st_size == 400
    assert sources(opened(remote), "word1 word2") == expected
    assert [result for result in examine(remote) if not result.ok and result.name != "embedder"] == []


def test_one_writes_for_all_and_a_half_filled_collection_is_filled(
    database: Database, remote: Settings, opened: Callable[[Settings], Retriever], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, remote, range(40))
    written: list[int] = []
    whole = milvus.MilvusCollection._write

    def counting(self, client, session, name, final) -> None:
        written.append(len(final))
        whole(self, client, session, name, final)

    monkeypatch.setattr(milvus.MilvusCollection, "_write", counting)
    monkeypatch.setattr(milvus.MilvusCollection, "_note", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):  # killed before it could note how far it had come
        opened(remote)
    monkeypatch.undo()
    monkeypatch.setattr(milvus.MilvusCollection, "_write", counting)
    first, second = opened(remote), opened(remote)
    assert written == [40, 40]
    fill(database, remote, range(40, 45))
    second.sync()
    first.sync()
    assert written == [40, 40, 5]
    assert sources(first, "Document 44") == sources(second, "Document 44")
    assert client_of(remote).query(collections(remote)[0], output_fields=["count(*)"])[0]["count(*)"] == 45


def test_collections_are_loaded_after_milvus_was_restarted(
    database: Database, remote: Settings, opened: Callable[[Settings], Retriever]
) -> None:
    fill(database, remote, range(20))
    expected = sources(opened(remote), "word1 word2")
    for name in client_of(remote).list_collections():
        client_of(remote).release_collection(name)
    assert "collection" not in {result.name for result in examine(remote) if not result.ok}
    for name in client_of(remote).list_collections():
        client_of(remote).release_collection(name)
    assert sources(opened(remote), "word1 word2") == expected


def test_a_purge_leaves_no_collection_that_knew_the_document(
    database: Database, remote: Settings, opened: Callable[[Settings], Retriever]
) -> None:
    fill(database, remote, range(20))
    retriever = opened(remote)
    before, other = collections(remote), "attest2_0123456789abcdef_r0"
    milvus._create(client_of(remote), other, 4, "FLAT")
    milvus._create(client_of(remote), "attest_0123456789abcdef_r99", 4, "FLAT")  # of a generation that is gone
    retriever.close()
    victim = next(row["id"] for row in list_documents(database, OPERATOR) if row["source"] == "/d3")
    report = purge_document(database, remote, victim, OPERATOR)
    assert report["verified"]["collections"] == 0
    assert other in collections(remote)  # of another store, told by its prefix
    client_of(remote).drop_collection(other)
    assert collections(remote) == []
    again = opened(remote)
    assert "/d3" not in sources(again, "Document 3")
    assert len(collections(remote)) == 1
    assert collections(remote) != before
    with database.write() as session:
        demand_rebuild(session)
    client_of(remote).drop_collection(collections(remote)[0])
    with pytest.raises(IndexMissing):
        sources(again, "Document 4")
    again.sync()
    assert "/d4" in sources(again, "Document 4")


def lead(folder: Path, seed: int, documents: int = 0) -> None:
    machine = Machine(settings_of(folder, "milvus"), random.Random(seed))
    try:
        for _ in range(documents):
            machine.put()
        for _ in range(6):
            machine.edit()
            machine.ask()
    finally:
        machine.close()


def test_no_life_leaks(tmp_path: Path) -> None:
    lead(tmp_path / "life", 1)


@pytest.mark.parametrize("layer", ["before ranking", "again in SQL"])
def test_without_either_layer_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layer: str) -> None:
    monkeypatch.setattr(bench.leaks_machine, "SOURCES", tuple(f"/d{number}" for number in range(60)))
    allowed, shown = retriever.permitted.retrievable_versions, retriever.authorise.presentations
    if layer == "before ranking":
        monkeypatch.setattr(retriever.permitted, "retrievable_versions", lambda _, filters: allowed(OPERATOR, filters))
    else:
        monkeypatch.setattr(retriever.authorise, "presentations", lambda s, _, keys, f: shown(s, OPERATOR, keys, f))
    with pytest.raises(Leak):
        lead(tmp_path / "life", 2, documents=40)


def test_the_doctor_counts_and_drops_a_collection_that_lost_passages(
    database: Database, remote: Settings, opened: Callable[[Settings], Retriever]
) -> None:
    fill(database, remote, range(10))
    retriever = opened(remote)
    client_of(remote).delete(collections(remote)[0], ids=[1, 2])
    wrong = {result.name: result.detail for result in examine(remote) if not result.ok}
    assert "holds 8 passages" in wrong["collection"]
    examine(remote, repair=True)
    retriever.sync()  # as its thread does: it notices that the collection is gone
    assert len(sources(retriever, "Document")) == 10
    assert "collection" not in {result.name for result in examine(remote) if not result.ok}


def test_an_address_is_named_without_its_credentials(monkeypatch: pytest.MonkeyPatch, remote: Settings) -> None:
    from pymilvus.exceptions import MilvusException

    def refuse(uri: str, **_: object) -> None:
        raise MilvusException(message=f"no route to {uri}")

    monkeypatch.setattr("pymilvus.MilvusClient", refuse)
    place = MilvusSettings(uri="http://ana:secret-word@milvus.invalid:19530")
    with pytest.raises(IndexMissing, match=r"milvus\.invalid") as raised:
        client_of(remote.model_copy(update={"milvus": place}))
    assert "secret-word" not in str(raised.value)
