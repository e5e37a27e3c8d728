"""Changing the embedder or the chunker of a store in use: beside, compared, switched at once, undone at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select

from app.cli import run
from app.doctor import examine
from bench.victim import WordEncoder
from core.db.access import NO_FILTERS
from core.db.changes import last_seq
from core.db.generations import live_generation
from core.db.models import Change, ChunkRow, Document, Generation
from core.db.session import Database
from core.errors import Conflict, IndexMismatch, NotFound
from core.settings import EmbedderSettings, Settings, load_settings
from core.settings_file import write_settings
from core.types import OPERATOR, Query
from ingest import reindex as reindexing
from ingest.promote import remove_document
from ingest.reindex import build, retired_generation, switch
from ingest.reindex_compare import Comparison, Measured, measure, read_questions
from ingest.report import IngestOptions, TextRecord
from ingest.run import ingest, ingest_texts
from models.sources import find_weights
from retriever import follower
from retriever.retriever import Retriever
from tests.conftest import KnowledgeBase

OLD, NEW = WordEncoder(200, "old"), WordEncoder(240, "new")
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "white", "black")


def fill(database: Database, settings: Settings, encoder: WordEncoder = OLD, words: tuple[str, ...] = COLOURS) -> None:
    records = [TextRecord(f"/{word}", f"The {word} house has a {word} door and {word} windows.") for word in words]
    ingest_texts(records, IngestOptions(), database=database, settings=settings, encoder=encoder)


def found(database: Database, settings: Settings, encoder: WordEncoder, text: str) -> str:
    retriever = Retriever.open(database, settings, encoder, follow=False)
    try:
        hits = retriever.retrieve(Query(text), OPERATOR, filters=NO_FILTERS, mode="dense").hits
        return hits[0].source if hits else ""
    finally:
        retriever.close()


def healthy(settings: Settings) -> bool:
    return [result for result in examine(settings) if not result.ok] == []


def test_the_new_generation_serves_after_the_switch_and_the_old_after_rollback(
    database: Database, settings: Settings
) -> None:
    fill(database, settings)
    done: list[tuple[int, int]] = []
    generation = build(database, settings, NEW, lambda so_far, total: done.append((so_far, total)))
    assert done[-1] == (8, 8)
    assert found(database, settings, OLD, "blue windows") == "/blue"  # the old one serves until the switch
    former = switch(database, settings, NEW, generation)
    assert found(database, settings, NEW, "blue windows") == "/blue"
    with pytest.raises(IndexMismatch):
        found(database, settings, OLD, "blue windows")
    assert healthy(settings)
    fill(database, settings, NEW, ("silver",))
    assert retired_generation(database).id == former
    switch(database, settings, OLD, former)  # what came meanwhile comes along
    assert found(database, settings, OLD, "silver windows") == "/silver"
    assert healthy(settings)


def test_ingesting_with_the_other_embedder_is_refused(database: Database, settings: Settings) -> None:
    fill(database, settings)
    with pytest.raises(IndexMismatch, match="attest reindex"):
        fill(database, settings, NEW, ("silver",))


def test_an_interrupted_build_goes_on(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database, settings)
    monkeypatch.setattr(reindexing, "VERSIONS_AT_ONCE", 2)
    texts = 0

    class Dying(WordEncoder):
        def encode(self, texts_, kind, on_batch=None) -> np.ndarray:
            nonlocal texts
            if texts >= 4:
                raise KeyboardInterrupt
            texts += len(texts_)
            return super().encode(texts_, kind, on_batch)

    with pytest.raises(KeyboardInterrupt):
        build(database, settings, Dying(240, "new"))
    assert found(database, settings, OLD, "blue windows") == "/blue"
    assert healthy(settings)
    done: list[tuple[int, int]] = []
    generation = build(database, settings, NEW, lambda so_far, total: done.append((so_far, total)))
    assert done[-1] == (4, 4)
    switch(database, settings, NEW, generation)
    with database.read() as session:
        assert session.scalar(select(func.count()).where(ChunkRow.generation_id == generation)) == 8
    assert healthy(settings)


def test_what_changes_while_it_is_built_is_in_the_new_generation_too(database: Database, settings: Settings) -> None:
    fill(database, settings)
    generation = build(database, settings, NEW)
    fill(database, settings, OLD, ("silver",))
    with database.write() as session:
        remove_document(session, session.scalars(select(Document).where(Document.source == "/red")).one())
    switch(database, settings, NEW, generation)
    assert found(database, settings, NEW, "silver windows") == "/silver"
    assert found(database, settings, NEW, "red windows") != "/red"
    with database.read() as session:
        newest = select(func.max(Change.seq)).where(Change.generation_id == generation).group_by(Change.chunk_id)
        kept = session.scalars(select(Change.chunk_id).where(Change.seq.in_(newest), Change.op == "add")).all()
        assert len(kept) == 8
    assert healthy(settings)


def test_only_one_former_generation_is_kept(database: Database, settings: Settings) -> None:
    fill(database, settings)
    for number in range(3):
        encoder = WordEncoder(20 + number, f"e{number}")
        switch(database, settings, encoder, build(database, settings, encoder))
    with database.read() as session:
        states = session.scalars(select(Generation.state).order_by(Generation.id)).all()
        assert sorted(states) == ["live", "retired"]
        assert session.scalar(select(func.count()).select_from(ChunkRow)) == 16
    assert healthy(settings)


def test_another_chunker_cuts_anew_from_the_original(database: Database, settings: Settings, tmp_path) -> None:
    words = " ".join(f"word{number}." for number in range(300))
    (tmp_path / "long.md").write_text(f"# Title\n\n{words}\n\n## Part\n\n{words}\n")
    ingest([tmp_path / "long.md"], IngestOptions(), database=database, settings=settings, encoder=OLD)
    fill(database, settings, OLD, ("red",))
    small = settings.model_copy(update={"ingest": settings.ingest.model_copy(update={"chunk_tokens": 60})})
    generation = build(database, small, OLD)
    with database.read() as session:
        live = live_generation(session)
        query = select(ChunkRow)
        before = session.scalars(query.where(ChunkRow.generation_id == live.id)).all()
        after = session.scalars(query.where(ChunkRow.generation_id == generation)).all()
    assert len(after) > len(before)
    assert any("Part" in chunk.heading for chunk in after)
    switch(database, small, OLD, generation)
    assert healthy(small)


def test_the_same_again_and_nothing_yet_are_said(database: Database, settings: Settings) -> None:
    with pytest.raises(Conflict, match="nothing was ingested"):
        build(database, settings, NEW)
    fill(database, settings)
    with pytest.raises(Conflict, match="already"):
        build(database, settings, OLD)
    with pytest.raises(NotFound):
        retired_generation(database)


def test_generations_are_compared_on_named_questions(database: Database, settings: Settings, tmp_path) -> None:
    fill(database, settings)
    path = tmp_path / "questions.jsonl"
    rows = [{"question": f"{word} windows", "documents": [word]} for word in COLOURS]
    rows += [{"question": "who knows", "answerable": False}]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    questions = read_questions(path)
    assert len(questions) == 8
    with database.read() as session:
        live = live_generation(session).id
    old = measure(database, live, OLD, questions)
    new = measure(database, build(database, settings, NEW), NEW, questions)
    assert old.hits_at_10 == new.hits_at_10 == 1.0
    assert old.mrr_at_10 > 0.9
    assert Comparison(8, old, new).good_enough
    assert not Comparison(8, old, Measured("new", old.hits_at_10 - 0.02, 1.0)).good_enough


def test_the_setting_is_written_and_the_rest_of_the_file_kept(tmp_path) -> None:
    for text in (
        "",
        "[server]\nport = 9\n",
        '# mine\n[embedder]\nmodel = "a"\nrevision = "r"\nbatch_size = 4\n\n[server]\nport = 9\n',
        "[server]\nport = 9\n\n[embedder]\nbatch_size = 4",
        '[embedder]  # the encoder\nmodel = "a" # ours\nbatch_size = 4\n[server] # here\nport = 9\n# mine',
    ):
        (tmp_path / "attest.toml").write_text(text)
        before = load_settings(tmp_path)
        write_settings(before, {"embedder": {"model": 'some "model"', "revision": None}})
        after = load_settings(tmp_path)
        assert after.embedder.model == 'some "model"'
        assert after.embedder.revision is None
        assert (after.server, after.embedder.batch_size) == (before.server, before.embedder.batch_size)
        assert ("# mine" in text) == ("# mine" in (tmp_path / "attest.toml").read_text())


def test_a_process_that_serves_follows_the_switch(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, settings)
    encoders = {OLD.name: OLD, NEW.name: NEW}
    monkeypatch.setattr(follower, "load_encoder", lambda chosen: encoders[chosen.model])
    serving = Retriever.open(database, settings, OLD)
    try:
        former = switch(database, settings, NEW, build(database, settings, NEW))
        fill(database, settings, NEW, ("silver",))
        assert within(60, lambda: serving.encoder is NEW and serving.seq == newest(database))
        assert serving.retrieve(Query("silver windows"), OPERATOR, mode="dense").hits[0].source == "/silver"
        switch(database, settings, OLD, former)
        assert within(60, lambda: serving.encoder is OLD)
        assert serving.retrieve(Query("silver windows"), OPERATOR, mode="dense").hits[0].source == "/silver"
    finally:
        serving.close()


def test_an_embedder_that_cannot_be_loaded_leaves_the_old_generation_serving(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, settings)

    def missing(chosen: EmbedderSettings) -> None:
        raise NotFound(chosen.model)

    monkeypatch.setattr(follower, "load_encoder", missing)
    serving = Retriever.open(database, settings, OLD)
    try:
        switch(database, settings, NEW, build(database, settings, NEW))
        with pytest.raises(NotFound):
            serving.sync()
        assert serving.retrieve(Query("blue windows"), OPERATOR, mode="dense").hits[0].source == "/blue"
    finally:
        serving.close()


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()


def newest(database: Database) -> int:
    with database.read() as session:
        return last_seq(session)


def test_the_command_builds_compares_switches_and_goes_back(
    own_knowledge_base: KnowledgeBase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("ATTEST_HOME", str(own_knowledge_base.home))
    monkeypatch.setenv("ATTEST_INGEST__CHUNK_TOKENS", "64")  # another chunker is another generation

    def reindex(*options: str) -> tuple[int, dict]:
        status = run(["reindex", "--json", *options])
        return status, json.loads(capsys.readouterr().out)

    status, result = reindex()
    assert (status, result["switched"], result["comparison"]) == (0, False, None)
    source = next(iter(own_knowledge_base.ids))
    asked = tmp_path / "questions.jsonl"
    asked.write_text(json.dumps({"question": f"What does {source} say?", "documents": [Path(source).stem]}) + "\n")
    status, result = reindex("--questions", str(asked), "--force")
    assert (status, result["switched"]) == (0, True)
    assert result["comparison"]["questions"] == 1
    assert run(["reindex", "--json"]) == 1  # it is live already
    assert "already" in capsys.readouterr().err
    monkeypatch.delenv("ATTEST_INGEST__CHUNK_TOKENS")
    status, result = reindex("--rollback")
    assert (status, result["switched"]) == (0, True)
    assert healthy(load_settings())


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    run([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def cut(database: Database) -> dict[str, list[int]]:
    """Return how many passages each document has in each generation."""
    counted = select(Document.source, ChunkRow.generation_id, func.count()).join(
        Document, Document.key == ChunkRow.document_key
    )
    found: dict[str, list[int]] = {}
    with database.read() as session:
        rows = session.execute(
            counted.group_by(Document.source, ChunkRow.generation_id).order_by(ChunkRow.generation_id)
        )
        for source, _, count in rows:
            found.setdefault(Path(source).name, []).append(count)
    return found


def test_going_back_cuts_what_came_meanwhile_as_the_generation_is_cut(
    own_knowledge_base: KnowledgeBase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("ATTEST_HOME", str(own_knowledge_base.home))
    config = own_knowledge_base.home / "attest.toml"
    text = " ".join(f"Rule {number} says that clause {number} holds." for number in range(200))
    for name in ("before", "after", "later"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n\n{name}: {text}\n")
    run_json(capsys, "ingest", str(tmp_path / "before.md"))
    config.write_text("[ingest]\nchunk_tokens = 64\nchunk_overlap_tokens = 8\n")
    assert run_json(capsys, "reindex", "--force")["switched"]
    run_json(capsys, "ingest", str(tmp_path / "after.md"))
    assert run_json(capsys, "reindex", "--rollback")["switched"]
    assert load_settings().ingest.chunk_tokens == 200
    assert run_json(capsys, "ingest", str(tmp_path / "later.md"))["failed"] == []
    database = Database.open(load_settings())
    try:
        counts = cut(database)
        assert counts["after.md"][0] == counts["before.md"][0] == counts["later.md"][0]
        assert counts["after.md"][0] < counts["after.md"][1]
    finally:
        database.close()


def test_a_settings_file_that_cannot_be_changed_stops_the_switch(
    own_knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATTEST_HOME", str(own_knowledge_base.home))
    monkeypatch.setenv("ATTEST_INGEST__CHUNK_TOKENS", "64")
    (own_knowledge_base.home / "attest.toml").write_text("embedder = { batch_size = 8 }\n")
    assert run(["reindex", "--force"]) == 2
    assert "write by hand" in capsys.readouterr().err
    monkeypatch.delenv("ATTEST_INGEST__CHUNK_TOKENS")
    assert run(["reindex", "--json"]) == 1  # the generation of these settings is still the live one
    assert "already" in capsys.readouterr().err


def test_a_folder_named_from_where_one_stands_is_named_for_everywhere(
    own_knowledge_base: KnowledgeBase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("ATTEST_HOME", str(own_knowledge_base.home))
    (tmp_path / "my emb").symlink_to(find_weights(load_settings().embedder.model))
    monkeypatch.chdir(tmp_path)
    (own_knowledge_base.home / "attest.toml").write_text("[embedder]  # the encoder\nbatch_size = 16\n")
    assert run_json(capsys, "reindex", "--embedder", "my emb", "--force")["switched"]
    written = load_settings().embedder
    assert Path(written.model).is_absolute()
    assert Path(written.model).is_dir()
    assert written.batch_size == 16
    monkeypatch.setenv("ATTEST_EMBEDDER__MODEL", written.model)
    assert run_json(capsys, "reindex", "--rollback")["overridden"] == ["ATTEST_EMBEDDER__MODEL"]


def test_passages_of_another_version_of_the_chunker_are_not_mixed_with_ours(
    database: Database, settings: Settings
) -> None:
    fill(database, settings)
    former = switch(database, settings, NEW, build(database, settings, NEW))
    with database.write() as session:
        generation = session.get_one(Generation, former)
        generation.chunker = generation.chunker.replace('"version": ', '"version": 9')
    switch(database, settings, OLD, former)  # nothing to cut
    switch(database, settings, NEW, retired_generation(database).id)
    fill(database, settings, NEW, ("silver",))
    with pytest.raises(Conflict, match="another version of the chunker"):
        switch(database, settings, OLD, former)
