"""Where a document was lost on its way to the hits of a query, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime

from sqlalchemy import Select, case, or_, select
from sqlalchemy.orm import Session

from core.db.access import readable, retrievable_versions
from core.db.models import ChunkRow, Collection, Document, DocumentVersion, IngestFailure
from core.types import Filters, Json, Principal

NEAR = 3
"""Documents named where the one asked about is not there."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The first step that lost the document (`returned` where none did), why, and its best rank at each step."""

    stage: str
    detail: str
    ranks: dict[str, int | None] = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return the wire form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Found:
    """The passages by which the document asked about may be found."""

    chunk_ids: frozenset[int]


def lost_before_search(
    session: Session, document_id: str, principal: Principal, filters: Filters, indexed: Callable[[int], bool]
) -> Explanation | Found:
    """Look for the document of an id or source step by step up to the index; `indexed` knows the index's chunk ids.

    A document the principal may not read is said not to exist, as everywhere. A source may stand in several
    collections: those the filters name come first, and one that a search can find speaks for all.
    """
    named = select(Document).where(or_(Document.id == document_id, Document.source == document_id))
    elsewhere = case((Collection.name == filters.collection, 0), else_=1)
    in_order = named.join(Collection, Collection.id == Document.collection_id).order_by(elsewhere, Document.key)
    documents = session.scalars(in_order.where(readable(principal))).all()
    if not documents:
        hidden = "no document of that id or source may be read"
        return _unreadable(session, named, document_id) if principal.operator else Explanation("permission", hidden)
    outcomes = [_lost_before_search(session, document, principal, filters, indexed) for document in documents]
    found = [outcome.chunk_ids for outcome in outcomes if isinstance(outcome, Found)]
    return Found(frozenset().union(*found)) if found else outcomes[0]


def _lost_before_search(
    session: Session, document: Document, principal: Principal, filters: Filters, indexed: Callable[[int], bool]
) -> Explanation | Found:
    serving = document.duplicate_of or document.key
    chunks = set(session.scalars(select(ChunkRow.id).where(ChunkRow.document_key == serving)))
    if not chunks:
        return Explanation("chunk", "the document has no chunks: nothing was parsed from it, or ingestion is not done")
    in_index = {chunk_id for chunk_id in chunks if indexed(chunk_id)}
    if not in_index:
        return Explanation("index", "its chunks are not in the index yet; the index follows the log within seconds")
    permitted = set(
        session.scalars(
            select(ChunkRow.id).where(
                ChunkRow.document_key == serving,
                ChunkRow.version_key.in_(retrievable_versions(principal, filters).where(Document.key == serving)),
            )
        )
    )
    if not in_index & permitted:
        return Explanation("filter", _why_filtered(session, document, principal, filters))
    return Found(frozenset(in_index & permitted))


def _unreadable(session: Session, named: Select[Document], source: str) -> Explanation:
    """Return what became of a document that not even the operator can read."""
    document = session.scalar(named.order_by(Document.key).limit(1))
    if document is not None:
        return Explanation("permission", f"the document is {document.state}")
    failure = session.scalar(select(IngestFailure).where(IngestFailure.source == source).limit(1))
    if failure is not None:
        return Explanation("parse", f"it was not taken in: {failure.error}: {failure.message}")
    return Explanation("permission", f"no document of that id or source is in the store{_near(session, source)}")


def _near(session: Session, source: str) -> str:
    """Name documents that may be meant: a source is often known by its end, as `handbook/leave.md`."""
    if not (end := source.rpartition("/")[2].strip()):
        return ""
    ends = Document.source.endswith(f"/{end}", autoescape=True)
    live = select(Document.source).where(ends, Document.state == "live")
    found = session.scalars(live.order_by(Document.source).limit(NEAR)).all()
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _why_filtered(session: Session, document: Document, principal: Principal, filters: Filters) -> str:
    within = session.scalar(
        select(DocumentVersion.key)
        .join(Document, Document.key == DocumentVersion.document_key)
        .join(Collection, Collection.id == Document.collection_id)
        .where(DocumentVersion.key.in_(retrievable_versions(principal)), Document.key == document.key)
    )
    if within is None:
        return "no version of it is in force now: not yet effective, expired or superseded"
    given = {f.name: getattr(filters, f.name) for f in fields(filters)}
    narrowing = [f"{name}={_shown(value)}" for name, value in given.items() if value is not None and value != {}]
    return f"the filters leave it out: {', '.join(narrowing)}"


def _shown(value: object) -> str:
    """Return a filter's value as its owner would write it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}:{wanted}" for name, wanted in value.items())
    if isinstance(value, datetime):
        return value.isoformat()
    return ", ".join(value) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True, slots=True)
class Trail:
    """Chunk ids of one search in the order each step left them."""

    dense: list[int]
    lexical: list[int]
    fused: list[int]
    examined: int
    """How many of the fused were looked at until enough passages were found."""
    authorised: list[int]
    reranked: list[int]
    returned: list[int]


def lost_in_search(found: Found, trail: Trail, depth: int) -> Explanation:
    """Follow the document's chunks through a search of `depth` candidates an index."""
    ranks = {
        step: _best_rank(ids, found.chunk_ids)
        for step, ids in (
            ("dense", trail.dense),
            ("lexical", trail.lexical),
            ("fused", trail.fused),
            ("rerank", trail.reranked),
            ("returned", trail.returned),
        )
    }
    if ranks["returned"] is not None:
        return Explanation("returned", f"it is hit {ranks['returned']}", ranks)
    if ranks["fused"] is None:
        detail = f"none of its passages is among the first {depth} of an index; see its rank in each"
        return Explanation("candidates", detail, ranks)
    authorised = _best_rank(trail.authorised, found.chunk_ids)
    if authorised is None and ranks["fused"] <= trail.examined:
        return Explanation("fold", "its passage repeats a better one and is named there in also_in", ranks)
    if authorised is not None and ranks["rerank"] is not None and ranks["rerank"] > authorised:
        return Explanation("rerank", "the reranker put other passages first", ranks)
    detail = f"{ranks['fused'] - 1} passages have better fused scores; ask for a larger k to see it"
    return Explanation("fusion", detail, ranks)


def _best_rank(ids: Sequence[int], wanted: frozenset[int]) -> int | None:
    return next((rank for rank, chunk_id in enumerate(ids, start=1) if chunk_id in wanted), None)
