"""Who may read what: the only place that decides it. Everything that reads documents goes through here.

A document is readable when its state is `live` and a name of the principal is on its own access
list or, where it has none of its own, on its collection's. The operator reads everything live.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from core.clock import now
from core.db.attribute_text import attribute_text
from core.db.models import Collection, CollectionAccess, Document, DocumentAccess, DocumentVersion, Membership
from core.db.prepared import Prepared
from core.types import Filters, Principal

NO_FILTERS = Filters()
# Made once: an alias computes its columns anew, and a search asks for them three times.
_TWIN, _TWIN_VERSION, _TWIN_COLLECTION = aliased(Document), aliased(DocumentVersion), aliased(Collection)
_HEIR, _HEIR_VERSION = aliased(Document), aliased(DocumentVersion)
_KEYS: BindParameter[int] = bindparam("keys", expanding=True)
_MOMENT: BindParameter[datetime] = bindparam("moment", type_=DocumentVersion.created_at.type)
KEPT = 256
"""Statements kept, one for each principal and filters seen lately: building one costs more than running it."""
Moment = datetime | BindParameter[datetime]


@dataclass(frozen=True, slots=True)
class Presentation:
    """A document and version under whose name a passage may be shown to one principal."""

    document_id: str
    title: str
    source: str
    collection: str
    version_key: int
    version: int
    created_at: datetime
    effective_from: datetime | None
    expires_at: datetime | None


def readable(principal: Principal, document: type[Document] = Document) -> ColumnElement[bool]:
    """Return the condition under which a principal may read a document."""
    live = document.state == "live"
    if principal.operator:
        return live
    names = sorted(principal.names)
    own = exists().where(DocumentAccess.document_key == document.key, DocumentAccess.principal.in_(names))
    inherited = exists().where(
        CollectionAccess.collection_id == document.collection_id, CollectionAccess.principal.in_(names)
    )
    return and_(live, or_(and_(document.own_access, own), and_(~document.own_access, inherited)))


def retrievable(principal: Principal, filters: Filters = NO_FILTERS) -> ColumnElement[bool]:
    """Return the condition under which a version's chunks may be ranked.

    It reads DocumentVersion joined to Document and Collection. The document itself, or a duplicate whose chunks
    it stands for, is readable, in force at `filters.as_of` (now by default), not superseded and within the filters.
    """
    moment = filters.as_of or now()
    own = _serves(principal, filters, moment, Document, DocumentVersion, Collection)
    return or_(own, _through_twin(principal, filters, moment))


def retrievable_versions(principal: Principal, filters: Filters = NO_FILTERS) -> Select[int]:
    """Select the keys of every version whose chunks a search may rank."""
    return (
        select(DocumentVersion.key)
        .join(Document, Document.key == DocumentVersion.document_key)
        .join(Collection, Collection.id == Document.collection_id)
        .where(retrievable(principal, filters))
    )


def presentations(
    session: Session, principal: Principal, version_keys: Iterable[int], filters: Filters = NO_FILTERS
) -> dict[int, list[Presentation]]:
    """Return, for each indexed version the principal may retrieve, the documents it may be shown as.

    The version's own document comes first where it is readable itself; its duplicates follow by source. A version
    that is absent from the result must not leave the retriever.
    """
    wanted = sorted(set(version_keys))
    if not wanted:
        return {}
    timeless = replace(filters, as_of=None, metadata=dict(filters.metadata))
    rows = _presenting(principal, timeless).rows(session, wanted, moment=filters.as_of or now())
    found: dict[int, list[tuple[bool, Presentation]]] = {}
    for served, *shown in rows:
        one = Presentation(*shown)
        found.setdefault(served, []).append((one.version_key != served, one))
    return {served: _in_order(shown) for served, shown in found.items()}


def _in_order(shown: list[tuple[bool, Presentation]]) -> list[Presentation]:
    """Put a version's own document first and its duplicates after it by source."""
    if len(shown) > 1:
        shown.sort(key=lambda one: (one[0], one[1].source))
    return [one for _, one in shown]


@lru_cache(maxsize=KEPT)
def _presenting(principal: Principal, filters: Filters) -> Prepared:
    """Return what selects the documents that versions are shown as, own and twins, at a moment given on execution."""
    twin, twin_version, twin_collection = _TWIN, _TWIN_VERSION, _TWIN_COLLECTION
    own = (
        _presented(Document, DocumentVersion, Collection, DocumentVersion.key)
        .join(Document, Document.key == DocumentVersion.document_key)
        .join(Collection, Collection.id == Document.collection_id)
        .where(DocumentVersion.key.in_(_KEYS))
        .where(_serves(principal, filters, _MOMENT, Document, DocumentVersion, Collection))
    )
    folded = (
        _presented(twin, twin_version, twin_collection, DocumentVersion.key)
        .join(Document, Document.key == DocumentVersion.document_key)
        .join(twin, twin.duplicate_of == Document.key)
        .join(twin_version, _same_text(twin, twin_version))
        .join(twin_collection, twin_collection.id == twin.collection_id)
        .where(DocumentVersion.key.in_(_KEYS), Document.state == "live")
        .where(_serves(principal, filters, _MOMENT, twin, twin_version, twin_collection))
    )
    return Prepared(union_all(own, folded))


def permitted_until(session: Session, moment: datetime | None = None) -> datetime | None:
    """Return when the next version comes into force or leaves it, so that a cached permitted set can end with it."""
    start = moment or now()
    dates = [
        session.scalar(select(func.min(column)).where(column > start))
        for column in (DocumentVersion.effective_from, DocumentVersion.expires_at, DocumentVersion.superseded_at)
    ]
    return min((date for date in dates if date is not None), default=None)


def principal_named(session: Session, name: str) -> Principal:
    """Return the principal of a name with its groups."""
    groups = session.scalars(select(Membership.group).where(Membership.user == name)).all()
    return Principal(name, frozenset(groups))


def _serves(
    principal: Principal,
    filters: Filters,
    moment: Moment,
    document: type[Document],
    version: type[DocumentVersion],
    collection: type[Collection],
) -> ColumnElement[bool]:
    """A document's own right to be found: readable, in force, not superseded, within the filters."""
    conditions = _conditions(filters, document, version, collection)
    return and_(readable(principal, document), _in_force(version, moment), ~_superseded(document, moment), *conditions)


def _through_twin(principal: Principal, filters: Filters, moment: Moment) -> ColumnElement[bool]:
    twin, twin_version, twin_collection = _TWIN, _TWIN_VERSION, _TWIN_COLLECTION
    return and_(
        Document.state == "live",
        exists().where(
            twin.duplicate_of == Document.key,
            _same_text(twin, twin_version),
            twin_collection.id == twin.collection_id,
            _serves(principal, filters, moment, twin, twin_version, twin_collection),
        ),
    )


def _same_text(twin: type[Document], version: type[DocumentVersion]) -> ColumnElement[bool]:
    return and_(version.document_key == twin.key, version.text_sha256 == DocumentVersion.text_sha256)


def _superseded(document: type[Document], moment: Moment) -> ColumnElement[bool]:
    heir, heir_version = _HEIR, _HEIR_VERSION
    return exists().where(
        heir.supersedes == document.key,
        heir.key != document.key,
        heir.state == "live",
        heir_version.document_key == heir.key,
        _in_force(heir_version, moment),
    )


def _presented(
    document: type[Document], version: type[DocumentVersion], collection: type[Collection], key: Any
) -> Select[Any]:
    return select(
        key,
        document.id,
        document.title,
        document.source,
        collection.name,
        version.key,
        version.version,
        version.created_at,
        version.effective_from,
        version.expires_at,
    )


def _in_force(version: type[DocumentVersion], moment: Moment) -> ColumnElement[bool]:
    """Without a date of its own, a first version holds since ever and a later one since it came."""
    undated = and_(version.effective_from.is_(None), or_(version.version == 1, version.created_at <= moment))
    return and_(
        or_(undated, version.effective_from <= moment),
        or_(version.expires_at.is_(None), version.expires_at > moment),
        or_(version.superseded_at.is_(None), version.superseded_at > moment),
    )


def _conditions(
    filters: Filters, document: type[Document], version: type[DocumentVersion], collection: type[Collection]
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.collection is not None:
        conditions.append(collection.name == filters.collection)
    if filters.document_ids is not None:
        conditions.append(document.id.in_(filters.document_ids))
    if filters.source_prefix is not None:  # not LIKE: SQLite's ignores case
        conditions.append(func.substr(document.source, 1, len(filters.source_prefix)) == filters.source_prefix)
    if filters.media_type is not None:
        conditions.append(version.media_type == filters.media_type)
    if filters.updated_after is not None:
        conditions.append(version.created_at >= filters.updated_after)
    if filters.updated_before is not None:
        conditions.append(version.created_at < filters.updated_before)
    for name, value in filters.metadata.items():
        conditions.append(attribute_text(document.attributes, literal(name)) == value)
    return conditions
