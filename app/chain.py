"""The chain of audit rows, walked: every row hangs on the one before it, and every content is what was recorded.

A content, or what was lent to it, may be missing where a purge or an erasure took it, and only there; a question where
an erasure did. Rows are read as text, so that one that nobody can read is named like any other that was changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import String, cast, select

from app.audit import ERASURE, GENESIS, canonical, content_hashes, digest, link
from core.db.models import AuditRow, Purge
from core.db.session import Database
from core.stored_answers import LENT, parsed
from core.types import Json

PAGE = 500
"""Rows read at a time."""


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The state of the chain; `broken` names each row that does not hold, with why."""

    rows: int
    head: str
    broken: tuple[Json, ...]

    def to_json(self) -> Json:
        """Return the report for the command line."""
        return {"ok": not self.broken, "rows": self.rows, "head": self.head, "broken": list(self.broken)}


def verify_chain(database: Database, expect: str | None = None) -> ChainReport:
    """Walk the chain and check every link; `expect` is a head noted earlier that must still be in it.

    A row removed from the end leaves a chain that holds: note the head elsewhere to notice that.
    """
    previous, rows, broken, seen = GENESIS, 0, [], expect in (None, GENESIS)
    taken = _Purged.of(database), _Erased.of(database)
    for row in _walk(database):
        rows += 1
        for why in _faults(row, previous, *taken):
            broken.append({"seq": row.seq, "answer_id": row.answer_id, "why": why})
        previous = row.sha256
        seen = seen or row.sha256 == expect
    if not seen:
        broken.append({"seq": None, "answer_id": None, "why": f"the head {expect} noted earlier is gone"})
    return ChainReport(rows, previous, tuple(broken))


class _Row(NamedTuple):
    seq: int
    answer_id: str
    record: str
    content: str | None
    question: str | None
    previous: str
    sha256: str


@dataclass
class _Purged:
    """What purges took, as far as the walk has come."""

    documents: frozenset[str]
    latest: datetime | None
    conversations: set[str] = field(default_factory=set)
    """Conversations in which an answer was made of a purged document: the later ones may have been lent words."""

    @classmethod
    def of(cls, database: Database) -> _Purged:
        with database.read() as session:
            rows = session.execute(select(Purge.document_id, Purge.requested_at)).all()
        return cls(frozenset(row[0] for row in rows), max((row[1] for row in rows), default=None))

    def took_answer(self, record: Json) -> bool:
        """Whether a purge is why an answer is gone; of what answers were made, earlier versions noted a part."""
        if "documents" in record:
            return not self.documents.isdisjoint(record["documents"])
        return self._since(record)

    def took_lent(self, record: Json) -> bool:
        """Whether a purge is why words lent to an answer are gone; a client's own conversation loses them in any."""
        if record.get("conversation_id") is None:
            return record.get("history_sha256") is not None and self._since(record)
        return record["conversation_id"] in self.conversations

    def _since(self, record: Json) -> bool:
        return self.latest is not None and datetime.fromisoformat(record["at"]) <= self.latest


@dataclass(frozen=True, slots=True)
class _Erased:
    """What was forgotten, as records of the chain say; one that was changed excuses nothing."""

    upto: dict[str | None, datetime]
    """By principal, `None` standing for everybody: the moment before which all was forgotten."""

    @classmethod
    def of(cls, database: Database) -> _Erased:
        columns = (cast(AuditRow.record, String), AuditRow.previous, AuditRow.sha256)
        with database.read() as session:
            rows = session.execute(select(*columns).where(AuditRow.answer_id.startswith(f"{ERASURE}-"))).all()
        upto: dict[str | None, datetime] = {}
        for text, previous, sha256 in rows:
            record = parsed(text)
            if isinstance(record, dict) and link(previous, record) == sha256 and record.get("kind") == ERASURE:
                before = datetime.fromisoformat(record["before"])
                upto[record["of"]] = max(before, upto.get(record["of"], before))
        return cls(upto)

    def took(self, record: Json) -> bool:
        """Whether an erasure is why the words of an answer are gone."""
        at = datetime.fromisoformat(record["at"])
        return any(at < self.upto[of] for of in (None, record.get("principal")) if of in self.upto)


def _faults(row: _Row, previous: str, purged: _Purged, erased: _Erased) -> Iterator[str]:
    """Yield what is wrong with a row."""
    if row.previous != previous:
        yield "the row before it was changed or removed"
    record = parsed(row.record)
    if not isinstance(record, dict):
        yield "its record cannot be read"
    elif link(row.previous, record) != row.sha256:
        yield "its record was changed"
    else:  # it says what it said when it was written
        forgotten = row.content is None and row.question is None and erased.took(record)
        if not forgotten and record.get("question_sha256") != _digest_of(row.question):
            yield "its question was changed or removed"
        yield from _content_faults(row, record, purged, forgotten=forgotten)


def _digest_of(question: str | None) -> str | None:
    return None if question is None else digest(question)


def _content_faults(row: _Row, record: Json, purged: _Purged, *, forgotten: bool) -> Iterator[str]:
    content = parsed(row.content)
    bound = record if "id" in record else content
    if isinstance(bound, dict) and bound.get("id", row.answer_id) != row.answer_id:
        yield "its id was changed"
    taken = purged.took_answer(record)
    if record.get("conversation_id") is not None and taken and (content is None or "documents" in record):
        purged.conversations.add(record["conversation_id"])
    if content is None:
        if not (taken or forgotten or record.get("kind") == ERASURE):
            yield "its answer was removed"
    elif not isinstance(content, dict) or not _holds(content, record, purged):
        yield "its answer was changed"


def _holds(content: Json, record: Json, purged: _Purged) -> bool:
    """Whether a content is what was recorded, but for words that a purge took."""
    if "query_sha256" not in record:  # written by an earlier version
        return bool(digest(canonical(content)) == record["content_sha256"])
    found = content_hashes(content)
    differ = {name for name in LENT if found[f"{name}_sha256"] != record[f"{name}_sha256"]}
    gone = {"history"} if "history" not in content else set()
    if content.get("query") == "":
        gone |= {"query", "text"} if content.get("outcome") == "refused" else {"query"}
    whole = not differ or (differ <= gone and purged.took_lent(record))
    return whole and bool(found["content_sha256"] == record["content_sha256"])


def _walk(database: Database) -> Iterator[_Row]:
    last = 0
    record, content = cast(AuditRow.record, String), cast(AuditRow.content, String)
    columns = (AuditRow.seq, AuditRow.answer_id, record, content, AuditRow.question, AuditRow.previous, AuditRow.sha256)
    while True:
        with database.read() as session:
            found = session.execute(select(*columns).where(AuditRow.seq > last).order_by(AuditRow.seq).limit(PAGE))
            rows = [_Row(*row) for row in found]
        if not rows:
            return
        yield from rows
        last = rows[-1].seq
