"""The record of every answer: append-only rows, each bound to the one before it by its hash.

A record names documents, versions, spans and hashes, never the documents' words: those lie beside it in
`content`, whose hashes the record holds, so that a purge of a document clears them and leaves the chain whole. What
earlier answers may have lent words to (`core.stored_answers.LENT`) is hashed by itself, so that it can go alone. What
was asked lies beside it too, in `question`, so that `app.forget` can clear it.
Records of earlier versions hold the question and the query themselves and one hash of the whole content; `app.chain`
checks all of these.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import String, cast, insert, select
from sqlalchemy.orm import Session

from app.trace import Trace
from core.clock import now
from core.db.models import AuditRow
from core.db.prepared import Prepared
from core.db.session import Database
from core.errors import Conflict, NotFound
from core.settings import Settings
from core.stored_answers import LENT, documents_of, parsed
from core.types import Answer, Citation, Claim, Json, Question

GENESIS = "0" * 64
ERASURE = "erasure"
"""The kind of a record that says what was forgotten; its id begins with it."""
_AS_TEXT = (
    AuditRow.seq,
    AuditRow.answer_id,
    AuditRow.previous,
    AuditRow.sha256,
    cast(AuditRow.record, String).label("record"),
    cast(AuditRow.content, String).label("content"),
    AuditRow.question,
)
"""Of a row that may have been changed to hold no JSON."""
HEAD = Prepared(select(AuditRow.sha256).order_by(AuditRow.seq.desc()).limit(1))


@dataclass(frozen=True, slots=True)
class Unlinked:
    """What is to be recorded of an answer, before it has its place in the chain."""

    answer_id: str
    record: Json
    content: Json
    canonical: str
    """The record's one JSON text, which the chain binds."""
    question: str | None

    @classmethod
    def of(cls, settings: Settings, trace: Trace, answer: Answer) -> Unlinked:
        """Make the record of an answer: all that takes time, so that the writer's place is held for moments only."""
        content = answer.to_json() | _clients_own(trace.question)
        record = make_record(settings, trace, answer) | content_hashes(content)
        record |= {"id": answer.id, "documents": sorted(documents_of(content))}
        return cls(answer.id, record, content, canonical(record), trace.question.text)


def append_record(session: Session, row: Unlinked, content: Json | None) -> None:
    """Append a row, with what is kept of its content, in the caller's transaction, which holds the writer's place."""
    found = HEAD.rows(session)
    previous = found[0].sha256 if found else GENESIS
    values = {"answer_id": row.answer_id, "record": row.record, "question": row.question, "content": content}
    values["previous"] = previous
    session.execute(insert(AuditRow), values | {"sha256": bound(previous, row.canonical)})


def link(previous: str, record: Json) -> str:
    """Return the hash that binds a record to the row before it."""
    return bound(previous, canonical(record))


def bound(previous: str, text: str) -> str:
    """Return the hash that binds a record's one JSON text to the row before it."""
    return digest(f"{previous}\n{text}")


def canonical(value: Any) -> str:
    """Return the one JSON text of a value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def make_record(settings: Settings, trace: Trace, answer: Answer) -> Json:
    """Return who asked what, what it was answered from, by what, and how it was judged."""
    from generation.tasks import drafting_task, styled

    question = trace.question
    filters = {name: value for name, value in asdict(question.filters).items() if value}
    return {
        "kind": trace.kind,
        "at": now().isoformat(),
        "principal": question.principal.name,
        "groups": sorted(question.principal.groups),
        "operator": question.principal.operator,
        "question_sha256": digest(question.text),
        "carry": list(trace.query.carry) if trace.query else [],
        "conversation_id": question.conversation_id,
        "filters": _plain(filters),
        "k": question.k,
        "generator": answer.generator,
        "asked_generator": question.generator,
        "task": drafting_task(styled(settings, question.style), answer.generator, trace.evidence),
        "style": {name: value for name, value in asdict(question.style).items() if value is not None},
        "model": answer.model,
        "embedder": settings.embedder.model,
        "judges": trace.judges,
        "prompts": prompt_hashes(),
        "index_seq": answer.index_seq,
        "evidence": [item.hit.chunk.id for item in trace.evidence],
        "outcome": answer.outcome,
        "reason": answer.reason,
        "claims": [_claim(claim) for claim in answer.claims],
        "citations": [_citation(citation) for citation in answer.citations],
        "rails": [asdict(verdict) | {"reason": ""} for verdict in answer.rails],
        "timings_ms": dict(answer.timings_ms),
    }


def find_record(database: Database, answer_id: str) -> AuditRow:
    """Return the row of an answer; its `content` is `None` once something it cites was purged, or it was forgotten.

    Raises:
        NotFound: no answer has this id.
        Conflict: its row is broken, or says something else than when it was written.
    """
    with database.read() as session:
        found = session.execute(select(*_AS_TEXT).where(AuditRow.answer_id == answer_id)).one_or_none()
        if found is None:
            raise NotFound(f"no answer {answer_id}")
        record = parsed(found.record)
        if not isinstance(record, dict) or not isinstance(parsed(found.content), dict | None):
            raise Conflict(f"record {found.seq} (answer {answer_id}) cannot be read: see attest audit verify")
        if link(found.previous, record) != found.sha256:
            raise Conflict(f"record {found.seq} (answer {answer_id}) was changed: see attest audit verify")
        return session.get_one(AuditRow, found.seq)


def list_records(database: Database, limit: int, before: int | None = None) -> list[Json]:
    """Return the newest records, newest first; of one that cannot be read there is only `error` beside its place.

    With `before`, those below that `seq`: the page after one that ended there.
    """
    newest = select(*_AS_TEXT).order_by(AuditRow.seq.desc()).limit(limit)
    with database.read() as session:
        rows = session.execute(newest if before is None else newest.where(AuditRow.seq < before)).all()
    return [{"seq": row.seq, "id": row.answer_id, "sha256": row.sha256, **_readable(row)} for row in rows]


def _readable(row: Any) -> Json:
    record = parsed(row.record)
    return with_question(record, row.question) if isinstance(record, dict) else {"error": "its record cannot be read"}


def with_question(record: Json, question: str | None) -> Json:
    """Return a record with what was asked, `None` where that was forgotten; earlier versions kept it in the record."""
    return {"question": question, **record}


def content_hashes(content: Json) -> Json:
    """Return the hashes of a content: of each thing that may be lent words, and of all the rest."""
    rest = {name: value for name, value in content.items() if name not in LENT}
    lent = {f"{name}_sha256": _digest_of(content.get(name)) for name in LENT}
    return lent | {"content_sha256": digest(canonical(rest))}


def digest(text: str) -> str:
    """Return the sha256 of a text; what a text of Unicode cannot hold, a record may have been changed to hold."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _digest_of(value: Any) -> str | None:
    """Return the hash of a part of a content, `None` where it is not there."""
    if value is None:
        return None
    return digest(value if isinstance(value, str) else canonical(value))


def _clients_own(question: Question) -> Json:
    """Return the conversation that a client sent along, which is kept nowhere else."""
    if question.conversation_id is not None or not question.history:
        return {}
    return {"history": [asdict(message) for message in question.history]}


def _plain(value: Json) -> Json:
    """Return a value as JSON gives it back, dates as text: what the chain hashes is exactly what SQL returns."""
    plain: Json = json.loads(json.dumps(value, default=str))
    return plain


def prompt_hashes() -> dict[str, str]:
    """Return the sha256 of every prompt in use."""
    from generation.prompts import prompt_hash

    names = ("system", "question", "passage", "evidence", "rewrite", "summary")
    return {name: prompt_hash(name) for name in (*names, "brief", "brief_passage", "brief_system")}


def _claim(claim: Claim) -> Json:
    return {
        "sha256": digest(claim.text),
        "citations": list(claim.citations),
        "verdict": claim.verdict,
        "score": claim.score,
    }


def _citation(citation: Citation) -> Json:
    return {
        "marker": citation.marker,
        "document_id": citation.document_id,
        "version": citation.version,
        "start": citation.start,
        "end": citation.end,
        "quote_sha256": digest(citation.quote),
        "chunk_id": citation.chunk_id,
    }
