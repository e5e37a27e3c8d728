"""A recorded answer run again: the same question by the same principal over the versions in force back then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.ask import ask
from app.audit import digest, find_record, prompt_hashes
from app.conversations import REMEMBERED_TURNS, messages_of
from app.runtime import Runtime
from app.steps import judges_in_force
from core.db.models import AuditRow, Turn
from core.errors import InvalidInput
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
        InvalidInput: it is the record of a summary, which has no question to ask again.
    """
    row = find_record(runtime.database, answer_id)
    if row.record.get("kind", "answer") != "answer":
        raise InvalidInput("this is the record of a summary; only answers to questions are replayed")
    answer = ask(runtime, _question(runtime, row), recorded=False)
    return Replay(
        answer_id, row.content, answer, tuple(_differences(runtime, row.record, answer)), row.record["index_seq"]
    )


def _question(runtime: Runtime, row: AuditRow) -> Question:
    record = row.record
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


def _differences(runtime: Runtime, record: Json, answer: Answer) -> list[Json]:
    """Return each thing that is not as it was, with both values."""
    now: dict[str, Any] = {
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
        "rails": sorted({(v["rail"], v["stage"], v["action"]) for v in record["rails"]}),
    }
    if judged := record.get("judges"):  # records of earlier versions do not say
        then |= judged
        now |= {name: value for name, value in judges_in_force(runtime).items() if name in judged}
    return [{"what": name, "recorded": then[name], "replayed": now[name]} for name in now if then[name] != now[name]]


def _place(document_id: str, version: int, start: int, end: int) -> str:
    return f"{document_id} v{version} [{start}:{end}]"
