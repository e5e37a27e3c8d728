"""What a store gives for training: answers that readers liked, and the passages of its documents.

Only what may be retrieved now is used: a purged or withdrawn passage is in no training row, and an answer whose record
was cleared is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.access import retrievable_versions
from core.db.generations import live_generation
from core.db.models import AuditRow, ChunkRow, Document, Feedback
from core.db.session import Database
from core.types import OPERATOR, Filters
from generation.prompts import NOT_FOUND
from generation.tasks import PASSAGES
from retriever.authorise import authorised_passages

LIKED = 1
_MARKER = re.compile(r"\s*\[(\d+)\]")


def liked_rows(database: Database, collection: str | None = None) -> list[dict[str, Any]]:
    """Return a row for each answer or refusal that a reader liked and nobody disliked, with what it was made from."""
    rows = []
    with database.read() as session:
        disliked = select(Feedback.answer_id).where(Feedback.rating < 0)
        liked = select(Feedback.answer_id).where(Feedback.rating == LIKED, Feedback.answer_id.not_in(disliked))
        for audit in session.scalars(select(AuditRow).where(AuditRow.answer_id.in_(liked)).order_by(AuditRow.seq)):
            if audit.content is None or audit.record["kind"] != "answer":
                continue
            if row := _liked_row(session, audit, collection):
                rows.append(row)
    return rows


def _liked_row(session: Session, audit: AuditRow, collection: str | None) -> dict[str, Any] | None:
    answer, record = audit.content or {}, audit.record
    cited = {citation["marker"]: int(citation["chunk_id"]) for citation in record["citations"] if citation["chunk_id"]}
    ids = list(dict.fromkeys([*cited.values(), *map(int, record["evidence"])]))[
        : max(PASSAGES, len(set(cited.values())))
    ]
    found = authorised_passages(session, ids, OPERATOR, Filters(collection=collection))
    if not found or any(chunk_id not in found for chunk_id in cited.values()):
        return None
    shown = sorted(found)
    places = {marker: shown.index(chunk_id) + 1 for marker, chunk_id in cited.items()}
    answered = answer["outcome"] == "answered"
    if answered and not places:
        return None
    first = places[min(places)] if answered else None
    main = found[shown[first - 1] if first else shown[0]]
    return {
        "id": f"liked-{audit.answer_id}",
        "document": main.shown_as.source,
        "question": answer.get("query") or answer["question"],
        "passages": [{"title": found[key].shown_as.title, "text": found[key].chunk.text} for key in shown],
        "target": _placed(answer["text"], places) if answered else NOT_FOUND,
        "answers": [_MARKER.sub("", answer["text"]).strip()] if answered else [],
        "marker": first,
        "answerable": answered,
        "kind": "answerable" if answered else "liked",
    }


def _placed(text: str, places: dict[int, int]) -> str:
    """Return an answer with its markers naming the passages of the row."""
    return _MARKER.sub(lambda found: f" [{places[int(found[1])]}]" if int(found[1]) in places else "", text).strip()


def passages_by_document(database: Database, collection: str | None, limit: int) -> dict[str, list[str]]:
    """Return the passages of the documents that may be retrieved, by source, at most so many in all."""
    with database.read() as session:
        live = live_generation(session)
        if live is None:
            return {}
        rows = session.execute(
            select(Document.source, ChunkRow.text)
            .join(Document, Document.key == ChunkRow.document_key)
            .where(ChunkRow.generation_id == live.id)
            .where(ChunkRow.version_key.in_(retrievable_versions(OPERATOR, Filters(collection=collection))))
            .order_by(ChunkRow.ordinal, ChunkRow.id)
            .limit(limit)
        ).all()
    return grouped([(str(source), str(text)) for source, text in rows])


def grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the texts of each name, in order."""
    found: dict[str, list[str]] = {}
    for name, text in pairs:
        found.setdefault(name, []).append(text)
    return found
