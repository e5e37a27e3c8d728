"""A recorded answer run again: the same question by the same principal over the versions in force back then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.ask import ask
from app.audit import digest, find_record, prompt_hashes, with_question
from app.conversations import REMEMBERED_TURNS, messages_of
from app.runtime import Runtime
from app.steps import judges_in_force
from core.db.models import AuditRow, Turn
from core.errors import Conflict, InvalidInput
from core.types import Answer, Filters, Json, Message, Principal, Question, Style
from generation.greetings import without_greetings


@dataclass(frozen=True, slots=True)
class Replay:
    """The answer then and now; `recorded` is `None` once something it cites was purged."""

    answer_id: str
    recorded: Json | None
    replayed: Answer
    differences: tuple[Json, ...]
    recorded_seq: int

    def to_json(self) -> Json:
        """Return the comparison."""
        return {
            "id": self.answer_id,
            "same": not self.differences,
            "differences": list(self.differences),
            "recorded_seq": self.recorded_seq,
            "replayed_seq": self.replayed.index_seq,
            "recorded": self.recorded,
            "replayed": self.replayed.to_json(),
        }


def replay(runtime: Runtime, answer_id: str) -> Replay:
    """Run a recorded answer again and say what differs.

    Versions that came in since are left out and those replaced since are back; a document deleted or an
    access taken away since stays so, which then shows as a difference.

    Raises:
        NotFound: no answer has this id.
        InvalidInput: it is the record of a summary or an erasure, which has no question to ask again.
        Conflict: its record is broken, or what was asked was forgotten.
    """
    row = find_record(runtime.database, answer_id)
    if (kind := row.record.get("kind", "answer")) != "answer":
        raise InvalidInput(f"this is the record of {_a(kind)}; only answers to questions are replayed")
    answer = ask(runtime, _question(runtime, row), recorded=False)
    return Replay(answer_id, row.content, answer, tuple(_differences(runtime, row, answer)), row.record["index_seq"])


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _question(runtime: Runtime, row: AuditRow) -> Question:
    record = with_question(row.record, row.question)
    if record["question"] is None:
        raise Conflict(f"what was asked in answer {row.answer_id} was forgotten, so it cannot be asked again")
    filters = dict(record["filters"])
    for name in ("updated_after", "updated_before", "as_of"):
        if name in filters:
            filters[name] = datetime.fromisoformat(filters[name])
    if "document_ids" in filters:
        filters["document_ids"] = tuple(filters["document_ids"])
    at = datetime.fromisoformat(record["at"])
    filters.setdefault("as_of", at)
    filters.setdefault("updated_before", at)
    return Question(
        text=record["question"],
        principal=Principal(record["principal"], frozenset(record["groups"]), record["operator"]),
        filters=Filters(**filters),
        k=record["k"],
        generator=record["asked_generator"],
        style=Style(**record.get("style", {})),
        min_seq=record["index_seq"],
        history=_history(runtime, row),
        cited_chunks=tuple(record["carry"]),
    )


def _history(runtime: Runtime, row: AuditRow) -> tuple[Message, ...]:
    """Return the conversation before the answer: as a client sent it, or as its principal may see it now."""
    record = row.record
    if sent := (row.content or {}).get("history"):
        return tuple(Message(**message) for message in sent)
    principal = Principal(record["principal"], frozenset(record["groups"]), record["operator"])
    with runtime.database.read() as session:
        turn = session.get(Turn, row.answer_id)
        if turn is None:
            return ()
        earlier = session.scalars(
            select(Turn)
            .where(Turn.conversation_id == turn.conversation_id, Turn.ordinal < turn.ordinal)
            .order_by(Turn.ordinal.desc())
            .limit(REMEMBERED_TURNS)
        ).all()
        return without_greetings(messages_of(session, principal, earlier[::-1]))


def _conversation(runtime: Runtime, row: AuditRow) -> str | None:
    """Return the conversation of an answer, `None` once its asker deleted it: the question is then read alone."""
    with runtime.database.read() as session:
        turn = session.get(Turn, row.answer_id)
        return None if turn is None else turn.conversation_id


def _differences(runtime: Runtime, row: AuditRow, answer: Answer) -> list[Json]:
    """Return each thing that is not as it was, with both values."""
    record = row.record
    now: dict[str, Any] = {
        "conversation": _conversation(runtime, row),
        "outcome": answer.outcome,
        "reason": answer.reason,
        "query_sha256": digest(answer.query),
        "generator": answer.generator,
        "model": answer.model,
        "embedder": runtime.settings.embedder.model,
        "prompts": prompt_hashes(),
        "text_sha256": digest(answer.text),
        "citations": [_place(c.document_id, c.version, c.start, c.end) for c in answer.citations],
        "verdicts": [claim.verdict for claim in answer.claims],
        "rails": sorted({(v.rail, v.stage, v.action) for v in answer.rails}),
    }
    then = {name: record.get(name) for name in now} | {
        "query_sha256": record.get("query_sha256") or digest(record["query"]),  # earlier versions kept the query
        "citations": [_place(c["document_id"], c["version"], c["start"], c["end"]) for c in record["citations"]],
        "verdicts": [claim["verdict"] for claim in record["claims"]],
        "conversation": record.get("conversation_id"),
        "rails": sorted({(v["rail"], v["stage"], v["action"]) for v in record["rails"]}),
    }
    if judged := record.get("judges"):  # records of earlier versions do not say
        then |= judged
        now |= {name: value for name, value in judges_in_force(runtime).items() if name in judged}
    return [{"what": name, "recorded": then[name], "replayed": now[name]} for name in now if then[name] != now[name]]


def _place(document_id: str, version: int, start: int, end: int) -> str:
    return f"{document_id} v{version} [{start}:{end}]"
