"""The small parts at the edge: the gate, limits, the binding rule, uploads after a crash, parts built once."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.ask import ask
from app.conversations import delete_conversation, list_conversations, recall, show_conversation
from app.extract import spread
from app.gate import Gate, strictest
from app.keys import create_key
from app.limits import RateLimiter, is_loopback
from app.metrics import Metrics
from app.runs import list_runs, show_run
from app.runtime import Runtime, open_runtime
from app.schemas import FilterBody
from app.serve import listen, require_key_beyond_loopback
from app.steps import check_input, redact
from app.trace import Trace
from app.upload_request import upload_request
from app.uploads import Uploads
from core.claims import Claim as Held
from core.db.models import IngestRun
from core.db.session import Database
from core.errors import Conflict, Forbidden, InvalidInput, NotFound, RateLimited, StoreUnavailable, TooLarge
from core.settings import RailPolicy, RailSettings, ServerSettings, load_settings
from core.types import OPERATOR, Claim, Filters, Message, Principal, Question, Verdict
from tests.conftest import KnowledgeBase

LEAVE = "How many hours of annual leave may full-time staff carry over?"


class Redactor:
    """Rails that take a word out and block another, as the real ones do."""

    def check_output(self, text: str, evidence: object, collection: str | None) -> tuple[str, tuple[Verdict, ...]]:
        clean = text.replace("555-0100", "[phone]")
        actions = {"pii": "redact" if clean != text else "allow", "words": "block" if "forbidden" in text else "allow"}
        return clean, tuple(
            Verdict(name, "output", action, float(action != "allow"), 0.5) for name, action in actions.items()
        )  # type: ignore[arg-type]


def claims_of(text: str, *sentences: str) -> tuple[Claim, ...]:
    return tuple(
        Claim(s, text.index(s), text.index(s) + len(s), (number,), "supported", 1.0)
        for number, s in enumerate(sentences, start=1)
    )


def test_a_redaction_moves_the_claims_after_it() -> None:
    text = "Call 555-0100 now. [1] Ask for Ana. [2]\nBe brief. [3]"
    claims = claims_of(text, "Call 555-0100 now.", "Ask for Ana.", "Be brief.")
    released = Gate(Redactor(), (), None).whole(text, claims)  # type: ignore[arg-type]
    assert released.text == "Call [phone] now. [1] Ask for Ana. [2]\nBe brief. [3]"
    for claim in released.claims:
        assert released.text[claim.start : claim.end] == claim.text
    assert {v.rail: v.action for v in released.verdicts} == {"pii": "redact", "words": "allow"}


def test_what_no_rail_touches_leaves_as_it_is() -> None:
    text = "Ask for Ana. [1]"
    claims = claims_of(text, "Ask for Ana.")
    released = Gate(Redactor(), (), None).whole(text, claims)  # type: ignore[arg-type]
    assert (released.text, released.claims) == (text, claims)


def test_what_only_shows_across_claims_lets_nothing_out() -> None:
    text = "The number is 555-\n0100. [1]"

    class Joining(Redactor):
        def check_output(self, text: str, evidence: object, collection: str | None) -> tuple[str, tuple[Verdict, ...]]:
            return ("gone" if "555" in text and "0100" in text else text), ()

    claims = claims_of(text, "The number is 555-", "0100.")
    released = Gate(Joining(), (), None).whole(text, claims)  # type: ignore[arg-type]
    assert released.text == ""
    assert any(verdict.action == "block" for verdict in released.verdicts)


def test_the_strictest_verdict_of_a_rail_stands() -> None:
    said = [
        Verdict("pii", "output", action, score, 0.5)
        for action, score in (("allow", 0.9), ("redact", 0.6), ("flag", 0.8))
    ]  # type: ignore[arg-type]
    assert [v.action for v in strictest(said)] == ["redact"]


def test_a_rail_blocks_a_question_before_anything_is_read(own_knowledge_base: KnowledgeBase) -> None:
    off = {name: RailPolicy(enabled=False) for name in ("toxicity", "prompt_injection", "harmful_requests")}
    rails = RailSettings(blocked_words=("quibblefrotz",), policy=off)
    with open_runtime(own_knowledge_base.settings.model_copy(update={"rails": rails}), follow=False) as runtime:
        answer = ask(runtime, Question("What does quibblefrotz mean?", OPERATOR))
        assert (answer.outcome, answer.reason) == ("blocked", "words")
        assert "retrieve" not in answer.timings_ms
        assert not runtime.has("retriever")


def test_the_bucket_refills(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 1000.0
    monkeypatch.setattr("app.limits.time", SimpleNamespace(monotonic=lambda: moment))
    limiter = RateLimiter(per_minute=2)
    limiter.take("ana")
    limiter.take("ana")
    with pytest.raises(RateLimited, match="in 30 s") as told:
        limiter.take("ana")
    assert told.value.retry_after_s == 30
    limiter.take("hana")
    moment += 30
    limiter.take("ana")


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.1", False), ("localhost.evil.example", False), ("", False)],
)  # fmt: skip
def test_loopback(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_other_machines_are_served_only_with_a_key(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "home").model_copy(update={"server": ServerSettings(host="0.0.0.0")})
    with pytest.raises(Forbidden, match="keys create"):
        require_key_beyond_loopback(settings)
    database = Database.open(settings)
    with database.write() as session:
        create_key(session, None, operator=True)
    database.close()
    require_key_beyond_loopback(settings)


def test_a_taken_port_is_said_plainly() -> None:
    first = listen("127.0.0.1", 0)
    try:
        with pytest.raises(Conflict, match="cannot listen"):
            listen("127.0.0.1", first.getsockname()[1])
    finally:
        first.close()


def test_parts_are_built_once_however_many_ask(own_knowledge_base: KnowledgeBase) -> None:
    with open_runtime(own_knowledge_base.settings, follow=False) as runtime:
        found: list[object] = []
        threads = [threading.Thread(target=lambda: found.append(runtime.retriever)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(part) for part in found}) == 1
        assert len(found) == 8


def test_an_acknowledged_upload_survives_the_server(own_knowledge_base: KnowledgeBase) -> None:
    """What was accepted and not yet ingested when the server died is ingested by the next one."""
    settings = own_knowledge_base.settings.model_copy(update={"rails": RailSettings(enabled=False)})
    request = upload_request(OPERATOR, None, ["public"], ["kiln.md"])
    with open_runtime(settings) as runtime:
        dying = Uploads(runtime, Metrics())
        dying._enqueue = lambda run_id: None  # type: ignore[method-assign]  # it dies before it begins
        run_id = dying.accept(request, [io.BytesIO(b"# Kiln\n\nThe kiln is fired on Fridays.\n")])
    with open_runtime(settings) as runtime:
        uploads = Uploads(runtime, Metrics())
        assert show_run(runtime, uploads, OPERATOR, run_id)["state"] == "queued"
        uploads.resume()
        uploads.close(60)
        run = show_run(runtime, uploads, OPERATOR, run_id)
        assert (run["state"], run["added"]) == ("done", 1)
        assert list(uploads.folder.iterdir()) == []
        runtime.retriever.sync()
        from core.types import Query

        hits = runtime.retriever.retrieve(Query("kiln fired"), Principal("user:ana"), k=1).hits
        assert "Fridays" in hits[0].chunk.text


def test_a_run_whose_process_was_killed_is_told_as_interrupted(own_knowledge_base: KnowledgeBase) -> None:
    settings = own_knowledge_base.settings
    with open_runtime(settings) as runtime:
        with runtime.database.write() as session:
            for name in ("killed", "alive"):
                session.add(IngestRun(id=name, state="running", principal=OPERATOR.name, report={}))
        claim = Held(settings.home / "runs", "alive")
        try:
            uploads = Uploads(runtime, Metrics())
            states = {run["run_id"]: run["state"] for run in list_runs(runtime, OPERATOR, 50)}
            assert (states["killed"], states["alive"]) == ("interrupted", "running")
            assert show_run(runtime, uploads, OPERATOR, "killed")["state"] == "interrupted"
            assert show_run(runtime, uploads, OPERATOR, "alive")["state"] == "running"
        finally:
            claim.release()


def test_an_upload_that_is_too_large_leaves_nothing(own_knowledge_base: KnowledgeBase) -> None:
    small = own_knowledge_base.settings.ingest.model_copy(update={"max_file_mb": 1})
    with open_runtime(own_knowledge_base.settings.model_copy(update={"ingest": small})) as runtime:
        uploads = Uploads(runtime, Metrics())
        with pytest.raises(TooLarge):
            uploads.accept(upload_request(OPERATOR, None, None, ["big.txt"]), [io.BytesIO(b"x" * (1 << 20) + b"x")])
        assert list(uploads.folder.iterdir()) == []


def test_an_upload_for_which_there_is_no_room_leaves_nothing(
    own_knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with open_runtime(own_knowledge_base.settings) as runtime:
        uploads = Uploads(runtime, Metrics())
        monkeypatch.setattr("app.uploads.os.fsync", full)
        with pytest.raises(StoreUnavailable, match="No space left"):
            uploads.accept(upload_request(OPERATOR, None, None, ["big.txt"]), [io.BytesIO(b"x")])
        assert list(uploads.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a.md", "a.md"), ("../../etc/passwd", "passwd"), ("C:\\temp\\b.pdf", "b.pdf"), ("n\x00a\u202eme.md", "name.md")],
)
def test_the_name_of_an_upload_leads_nowhere(given: str, kept: str) -> None:
    assert upload_request(OPERATOR, None, None, [given]).files == (kept,)


@pytest.mark.parametrize("given", ["", "..", "a/..", "/"])
def test_an_upload_without_a_name_is_refused(given: str) -> None:
    with pytest.raises(InvalidInput):
        upload_request(OPERATOR, None, None, [given])


def test_conversations_are_listed_searched_continued_and_forgotten(runtime: Runtime) -> None:
    ana = Principal("user:ana")
    ask(runtime, Question(LEAVE, ana, conversation_id="leave"))
    ask(runtime, Question("Who books flights?", ana, conversation_id="travel"))
    listed = [row["id"] for row in list_conversations(runtime.database, ana)]
    assert listed == ["travel", "leave"]
    assert [row["id"] for row in list_conversations(runtime.database, ana, search="CARRY over")] == ["leave"]
    assert list_conversations(runtime.database, ana, search="%") == []
    ask(runtime, Question("Überstunden?", ana, conversation_id="hours"))
    assert [row["id"] for row in list_conversations(runtime.database, ana, search="überstunden")] == ["hours"]
    delete_conversation(runtime.database, ana, "hours")
    asked = recall(runtime.database, Question("And above that?", ana, conversation_id="leave"))
    assert [message.role for message in asked.history] == ["user", "assistant"]
    assert asked.cited_chunks
    ask(runtime, replace(asked, history=()))
    shown = show_conversation(runtime.database, ana, "leave")
    assert [turn["question"] for turn in shown["turns"]] == [LEAVE, "And above that?"]
    delete_conversation(runtime.database, ana, "leave")
    with pytest.raises(NotFound):
        show_conversation(runtime.database, ana, "leave")
    with runtime.database.read() as session:
        from sqlalchemy import text

        assert session.scalar(text("SELECT count(*) FROM turns WHERE conversation_id = 'leave'")) == 0


def test_a_filter_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        FilterBody.model_validate({"as_of": "2026-01-01T00:00:00"})
    body = FilterBody.model_validate({"as_of": "2026-01-01T00:00:00Z", "document_ids": ["a"]})
    assert isinstance(body.filters("c"), Filters)
    assert body.filters("c").document_ids == ("a",)


def test_a_spread_of_vectors_repeats_nothing() -> None:
    import numpy as np

    rows = np.eye(4, dtype=np.float32)[[0, 0, 0, 1, 2]]
    chosen = spread(rows, [True, False, False, False, False], 3)
    assert chosen == sorted(chosen)
    assert len({tuple(rows[row]) for row in chosen}) == 3
    assert spread(rows, [False] * 5, 9) == [0, 1, 2, 3, 4]


def test_an_answers_json_is_plain(runtime: Runtime) -> None:
    answer = ask(runtime, Question(LEAVE, OPERATOR))
    assert json.loads(json.dumps(answer.to_json()))["claims"][0]["citations"] == [1]


@pytest.mark.parametrize("action", ["redact", "block"])
def test_personal_data_leaves_the_question_where_the_policy_says_so(
    own_knowledge_base: KnowledgeBase, action: Any
) -> None:
    off = {name: RailPolicy(enabled=False) for name in ("toxicity", "prompt_injection", "harmful_requests")}
    rails = RailSettings(policy={**off, "secrets": RailPolicy(action=action)})
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    with open_runtime(own_knowledge_base.settings.model_copy(update={"rails": rails}), follow=False) as runtime:
        answer = ask(runtime, Question(f"Who books flights? My token is {token}.", OPERATOR, conversation_id="c"))
        assert token not in json.dumps(answer.to_json())
        assert token not in json.dumps(show_conversation(runtime.database, OPERATOR, "c"))
        from app.audit import find_record

        assert token not in json.dumps(find_record(runtime.database, answer.id).record)


@pytest.mark.parametrize(("action", "kept"), [("redact", False), ("flag", True)])
def test_personal_data_leaves_a_clients_earlier_messages_too(
    own_knowledge_base: KnowledgeBase, action: Any, kept: bool
) -> None:
    off = {name: RailPolicy(enabled=False) for name in ("toxicity", "prompt_injection", "harmful_requests")}
    rails = RailSettings(policy={**off, "pii": RailPolicy(action=action)})
    account = "GB29 NWBK 6016 1331 9268 19"
    said = (Message("user", f"My account is {account}. Who books flights?"), Message("assistant", f"Noted: {account}."))
    with open_runtime(own_knowledge_base.settings.model_copy(update={"rails": rails}), follow=False) as runtime:
        trace = Trace(Question("And the hotel?", OPERATOR, history=said))
        redact(runtime, trace, check_input(runtime, trace.question))
    assert [account in message.content for message in trace.question.history] == [kept, kept]
    assert "Who books flights?" in trace.question.history[0].content
