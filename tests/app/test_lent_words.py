"""Words that a document lends to the answers after it: withheld, purged and replayed along with the document's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from app.ask import ask, ask_events
from app.audit import bound, canonical, content_hashes, digest, find_record
from app.chain import verify_chain
from app.conversations import as_markdown, list_conversations, show_conversation
from app.replay import replay
from app.runtime import Runtime, open_runtime
from app.streams import Streams
from core.db.grants import set_document_access
from core.db.models import AuditRow, Turn
from core.errors import NotFound
from core.stored_answers import documents_of
from core.types import OPERATOR, Message, Principal, Question
from ingest.purge import purge_document
from ingest.run import IngestOptions, ingest
from tests.app.conftest import NO_RAILS
from tests.conftest import KnowledgeBase

BONUS = "# Zanzibar plan\n\nThe zanzibar bonus of the finance director is 55000 euros. The bonus is paid in March.\n"
ASKED = ("How much is the zanzibar bonus of the finance director?", "And when is it paid?", "hello", "And who eats it?")
BEN = Principal("user:ben")


@pytest.fixture
def runtime(own_knowledge_base: KnowledgeBase) -> Iterator[Runtime]:
    settings = own_knowledge_base.settings.model_copy(update={"rails": NO_RAILS})
    with open_runtime(settings, follow=True) as runtime:  # as in a server: its index follows a purge
        yield runtime


@pytest.fixture
def bonus(runtime: Runtime, tmp_path: Path) -> str:
    page = tmp_path / "bonus.md"
    page.write_text(BONUS, encoding="utf-8")
    options = IngestOptions(allow=("user:ben",))
    ingest([page], options, database=runtime.database, settings=runtime.settings, encoder=runtime.encoder)
    runtime.retriever.sync()
    return str(ask(runtime, Question(ASKED[0], BEN)).citations[0].document_id)


def talk(runtime: Runtime) -> list[str]:
    return [ask(runtime, Question(asked, BEN, conversation_id="talk")).id for asked in ASKED]


def everything(runtime: Runtime) -> bytes:
    return b"\0".join(path.read_bytes() for path in sorted(runtime.settings.home.rglob("*")) if path.is_file())


def test_a_purge_takes_the_words_that_were_lent(runtime: Runtime, bonus: str) -> None:
    answers = talk(runtime)
    sent = (Message("user", ASKED[0]), Message("assistant", "It is 55000 euros."))
    client = ask(runtime, Question("And who books flights?", Principal("user:ana"), history=sent))
    assert "55000" in client.query
    other = ask(runtime, Question("Who books flights?", BEN, conversation_id="other"))
    before = everything(runtime)
    assert b"55000" in before
    assert b"Zanzibar plan" in before
    assert not any(purge_document(runtime.database, runtime.settings, bonus, OPERATOR)["verified"].values())
    after = everything(runtime)
    assert b"55000" not in after
    assert b"Zanzibar plan" not in after
    assert not verify_chain(runtime.database).broken
    kept = find_record(runtime.database, client.id).content
    assert kept is not None
    assert (kept["query"], "history" in kept) == ("", False)
    assert find_record(runtime.database, answers[0]).content is None
    assert find_record(runtime.database, other.id).content == json.loads(json.dumps(other.to_json()))
    with runtime.database.read() as session:
        assert [turn.question for turn in session.scalars(select(Turn).where(Turn.conversation_id == "talk"))] == list(
            ASKED
        )


def test_what_an_earlier_version_recorded_is_cleared_and_still_verifies(runtime: Runtime, bonus: str) -> None:
    talk(runtime)
    with runtime.database.write() as session:
        previous = "0" * 64
        for row in session.scalars(select(AuditRow).order_by(AuditRow.seq)):
            content = {name: value for name, value in row.content.items() if name != "named"}
            new = ("id", "documents", "query_sha256", "history_sha256")
            record = {name: value for name, value in row.record.items() if name not in new}
            record |= {"query": content["query"], "content_sha256": digest(canonical(content))}
            row.record, row.content, row.previous = record, content, previous
            row.sha256 = previous = bound(previous, canonical(record))
        for turn in session.scalars(select(Turn)):
            turn.answer = {name: value for name, value in turn.answer.items() if name != "named"}
    assert not verify_chain(runtime.database).broken
    assert "Zanzibar plan" not in json.dumps(show_conversation(runtime.database, BEN, "talk")["turns"][2])
    assert not any(purge_document(runtime.database, runtime.settings, bonus, OPERATOR)["verified"].values())
    assert not verify_chain(runtime.database).broken
    with runtime.database.read() as session:
        assert "55000" not in json.dumps([turn.answer | {"q": turn.query} for turn in session.scalars(select(Turn))])
        assert all("55000" not in json.dumps(row.content) for row in session.scalars(select(AuditRow)))
    assert b"Zanzibar plan" not in everything(runtime)


def test_what_is_taken_away_is_withheld_with_the_words_it_lent(runtime: Runtime, bonus: str) -> None:
    talk(runtime)
    seen = show_conversation(runtime.database, BEN, "talk")
    assert "55000" in json.dumps(seen["turns"][1]["answer"]["query"])
    assert "Zanzibar plan" in seen["turns"][2]["answer"]["text"]
    with runtime.database.write() as session:
        set_document_access(session, bonus, ["user:ana"])
    shown = show_conversation(runtime.database, BEN, "talk")
    assert "55000" not in json.dumps(shown)
    assert "Zanzibar plan" not in json.dumps(shown)
    assert "55000" not in as_markdown(shown)
    assert [turn["answer"]["query"] for turn in shown["turns"]] == ["", "", "", ""]
    assert all(turn["answer"]["text"] for turn in shown["turns"])
    assert list_conversations(runtime.database, BEN, search="55000") == []


def test_a_stream_is_not_told_again_once_what_it_told_is_taken_away(runtime: Runtime, bonus: str) -> None:
    streams = Streams()
    stream = streams.start(BEN.name, lambda _stream: ask_events(runtime, Question(ASKED[0], BEN)))
    streams.stop_all(wait_s=60)
    assert bonus in stream.documents()
    assert streams.find_readable(stream.id, BEN, runtime.database) is stream
    with runtime.database.write() as session:
        set_document_access(session, bonus, ["user:ana"])
    with pytest.raises(NotFound):
        streams.find_readable(stream.id, BEN, runtime.database)


def test_a_clients_own_conversation_replays(runtime: Runtime, bonus: str) -> None:
    sent = (Message("user", ASKED[0]), Message("assistant", "It is 55000 euros."))
    answer = ask(runtime, Question(ASKED[1], BEN, history=sent))
    assert answer.query != ASKED[1]
    assert replay(runtime, answer.id).to_json()["same"]
    assert content_hashes(find_record(runtime.database, answer.id).content or {})["history_sha256"]


def test_only_a_purge_may_take_an_answer_out_of_the_record(runtime: Runtime, bonus: str) -> None:
    [_, second, *_] = talk(runtime)
    lent = "UPDATE audit SET content = json_set(content, '$.query', '') WHERE answer_id = :id"
    gone = "UPDATE audit SET content = NULL WHERE answer_id = :id"
    kept = find_record(runtime.database, second).content
    for change in (lent, gone):
        with runtime.database.write() as session:
            session.execute(text(change), {"id": second})
        assert [fault["answer_id"] for fault in verify_chain(runtime.database).broken] == [second]
        with runtime.database.write() as session:
            session.scalars(select(AuditRow).where(AuditRow.answer_id == second)).one().content = kept
    assert not verify_chain(runtime.database).broken


def purging_before(runtime: Runtime, document_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Purge a document when the next answer is made, before it is recorded."""
    from app import ask as asking

    record = asking.record

    def purged_first(*arguments: Any) -> Any:
        monkeypatch.setattr(asking, "record", record)
        purge_document(runtime.database, runtime.settings, document_id, OPERATOR)
        return record(*arguments)

    monkeypatch.setattr(asking, "record", purged_first)


@pytest.mark.parametrize("earlier", [0, 1])
def test_an_answer_in_the_making_keeps_no_words_of_what_is_purged_meanwhile(
    runtime: Runtime, bonus: str, monkeypatch: pytest.MonkeyPatch, earlier: int
) -> None:
    for asked in ASKED[:earlier]:
        ask(runtime, Question(asked, BEN, conversation_id="talk"))
    purging_before(runtime, bonus, monkeypatch)
    answer = ask(runtime, Question(ASKED[earlier], BEN, conversation_id="talk"))
    assert "55000" in answer.text + answer.query
    assert b"55000" not in everything(runtime)
    assert show_conversation(runtime.database, BEN, "talk")["turns"][-1]["answer"]["text"] == ""
    assert not verify_chain(runtime.database).broken


def test_a_follow_up_in_the_making_keeps_no_words_lent_by_what_is_purged_meanwhile(
    runtime: Runtime, bonus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(runtime, Question(ASKED[0], BEN, conversation_id="talk"))
    purging_before(runtime, bonus, monkeypatch)
    answer = ask(runtime, Question("And who books its flights?", BEN, conversation_id="talk"))
    assert "55000" in answer.query
    assert bonus not in documents_of(answer.to_json())
    assert b"55000" not in everything(runtime)
    assert find_record(runtime.database, answer.id).content is not None
    assert not verify_chain(runtime.database).broken


@pytest.mark.parametrize(
    ("column", "at"), [("record", 0), ("content", 0), ("record", 1), ("content", 1), ("record", 2), ("content", 2)]
)
def test_a_broken_row_stops_no_purge(
    runtime: Runtime, bonus: str, caplog: pytest.LogCaptureFixture, column: str, at: int
) -> None:
    asked = ((ASKED[0], "talk"), ("And who books its flights?", "talk"), ("Who books flights?", "other"))
    answers = [ask(runtime, Question(words, BEN, conversation_id=where)).id for words, where in asked]
    words = f"55000 no json {bonus}" if (column, at) == ("content", 0) else "no json"
    with runtime.database.write() as session:
        session.execute(
            text(f"UPDATE audit SET {column} = :words WHERE answer_id = :id"), {"words": words, "id": answers[at]}
        )
    assert not any(purge_document(runtime.database, runtime.settings, bonus, OPERATOR)["verified"].values())
    assert b"55000" not in everything(runtime)
    assert ("cannot be read" in caplog.text) is (at < 2)
