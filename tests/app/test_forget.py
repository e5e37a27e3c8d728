"""Forgetting what was asked: no word of it is left, and the chain still tells an erasure from a theft."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update
from typer.main import get_command

from app.ask import ask
from app.audit import find_record, link, list_records
from app.audit_cli import cli
from app.chain import verify_chain
from app.conversations import delete_conversation, list_conversations
from app.feedback import give_feedback, list_feedback
from app.forget import forget
from app.gaps import find_gaps
from app.replay import replay
from app.runtime import Runtime
from core.clock import now
from core.db.models import AuditRow
from core.errors import Conflict, InvalidInput
from core.types import Principal, Question

ANA, HANA = Principal("user:ana", frozenset({"group:staff"})), Principal("user:hana", frozenset({"group:staff"}))
SECRET = "Does the zebrafish clinic treat my illness?"
AGO, AHEAD = timedelta(days=-1), timedelta(days=1)


@pytest.fixture
def answers(runtime: Runtime) -> dict[str, str]:
    """An answer of each, in a conversation of each, with a comment."""
    ids = {}
    for who in (ANA, HANA):
        ids[who.name] = ask(runtime, Question(SECRET, who, conversation_id=f"c-{who.name[5:]}")).id
        give_feedback(runtime.database, who, ids[who.name], -1, "I asked about the zebrafish")
    return ids


def stored(runtime: Runtime) -> bytes:
    """Return all bytes of the store and its log."""
    assert runtime.database.dialect == "sqlite"
    store = Path(str(runtime.database.url.database))
    return b"".join(path.read_bytes() for path in store.parent.glob(f"{store.name}*"))


def test_no_byte_of_what_was_asked_is_left_and_the_chain_holds(runtime: Runtime, answers: dict[str, str]) -> None:
    head = verify_chain(runtime.database).head
    assert b"zebrafish" in stored(runtime)
    done = forget(runtime.database, now() + AHEAD)
    assert (done["answers"], done["conversations"], done["kept"]) == (2, 2, 0)
    assert b"zebrafish" not in stored(runtime)
    assert not verify_chain(runtime.database, expect=head).broken
    assert [record.get("question") for record in list_records(runtime.database, 10)] == [None] * 3
    assert find_gaps(runtime) == []
    assert {row["comment"] for row in list_feedback(runtime.database, 10)} == {""}
    with pytest.raises(Conflict, match="was forgotten"):
        replay(runtime, answers[ANA.name])
    ask(runtime, Question(SECRET, ANA))
    assert not verify_chain(runtime.database).broken


def test_only_what_is_old_or_of_one_person_is_forgotten(runtime: Runtime, answers: dict[str, str]) -> None:
    assert forget(runtime.database, now() + AGO)["answers"] == 0
    assert forget(runtime.database, now() + AHEAD, "user:ana")["answers"] == 1
    assert find_record(runtime.database, answers["user:ana"]).content is None
    assert find_record(runtime.database, answers["user:hana"]).question == SECRET
    assert list_conversations(runtime.database, ANA) == []
    assert len(list_conversations(runtime.database, HANA)) == 1
    assert not verify_chain(runtime.database).broken


@pytest.mark.parametrize("by", ["nobody", "another's erasure", "a changed erasure"])
def test_an_answer_taken_out_is_not_taken_for_forgotten(runtime: Runtime, answers: dict[str, str], by: str) -> None:
    if by != "nobody":
        forget(runtime.database, now() + AHEAD, "user:ana")
    with runtime.database.write() as session:
        took = AuditRow.answer_id == answers["user:hana"]
        session.execute(update(AuditRow).where(took).values(content=None, question=None))
        if by == "a changed erasure":
            session.execute(text("UPDATE audit SET record = json_set(record, '$.of', 'user:hana') WHERE seq = 3"))
    broken = {row["answer_id"] for row in verify_chain(runtime.database).broken}
    assert answers["user:hana"] in broken


def test_a_record_of_an_earlier_version_keeps_its_question_and_it_is_told(
    runtime: Runtime, answers: dict[str, str]
) -> None:
    with runtime.database.write() as session:
        last = session.query(AuditRow).where(AuditRow.answer_id == answers["user:hana"]).one()
        last.record = {name: value for name, value in last.record.items() if name != "question_sha256"}
        last.record |= {"question": SECRET}
        last.question, last.sha256 = None, link(last.previous, last.record)
    assert not verify_chain(runtime.database).broken
    assert replay(runtime, answers["user:hana"]).to_json()["same"]
    assert forget(runtime.database, now() + AHEAD)["kept"] == 1
    assert not verify_chain(runtime.database).broken


def test_a_replay_says_that_the_conversation_is_gone(runtime: Runtime, answers: dict[str, str]) -> None:
    delete_conversation(runtime.database, ANA, "c-ana")
    [gone] = [d for d in replay(runtime, answers["user:ana"]).differences if d["what"] == "conversation"]
    assert (gone["recorded"], gone["replayed"]) == ("c-ana", None)


def test_a_later_opinion_is_the_newest(runtime: Runtime, answers: dict[str, str]) -> None:
    give_feedback(runtime.database, ANA, answers["user:ana"], 1, "after all")
    assert [row["comment"] for row in list_feedback(runtime.database, 1)] == ["after all"]


def test_the_command_says_what_it_did(
    runtime: Runtime, answers: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTEST_HOME", str(runtime.settings.home))
    audit = get_command(cli)
    with pytest.raises(InvalidInput, match="say what to forget"):
        audit(["forget"], standalone_mode=False)
    audit(["forget", "--principal", "user:ana", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["answers"] == 1
    audit(["list"], standalone_mode=False)
    told = capsys.readouterr().out
    assert "forgot    1 answers of user:ana" in told
    assert "(forgotten)" in told
