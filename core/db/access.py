"""Who may read what: the only place that decides it. Everything that reads documents goes through here.

A document is readable when its state is `live` and a name of the principal is on its own access
list or, where it has none of its own, on its collection's. The operator reads everything live.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Select, String, and_, cast, exists, or_, select
from sqlalchemy.orm import Session, aliased

from core.clock import now
from core.db.models import Collection, CollectionAccess, Document, DocumentAccess, DocumentVersion, Membership
from core.types import Filters, Principal


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


def retrievable(principal: Principal, as_of: datetime | None = None) -> ColumnElement[bool]:
    """Return the condition under which a version's chunks may be retrieved, over DocumentVersion joined to Document.

    The principal may read the document or a live duplicate of it, the version is in force at `as_of`
    (now by default), and no document in force supersedes it.
    """
    moment = as_of or now()
    twin = aliased(Document)
    heir, heir_version = aliased(Document), aliased(DocumentVersion)
    through_twin = and_(
        Document.state == "live",
        exists().where(twin.duplicate_of == Document.key, readable(principal, twin)),
    )
    superseded = exists().where(
        heir.supersedes == Document.key,
        heir.state == "live",
        heir_version.document_key == heir.key,
        _in_force(heir_version, moment),
    )
    return and_(or_(readable(principal), through_twin), _in_force(DocumentVersion, moment), ~superseded)


def retrievable_versions(principal: Principal, filters: Filters) -> Select[int]:
    """Select the keys of every version whose chunks a search may rank."""
    query = (
        select(DocumentVersion.key)
        .join(Document, Document.key == DocumentVersion.document_key)
        .join(Collection, Collection.id == Document.collection_id)
        .where(retrievable(principal, filters.as_of))
    )
    for condition in _conditions(filters):
        query = query.where(condition)
    return query


def principal_named(session: Session, name: str) -> Principal:
    """Return the principal of a name with its groups."""
    groups = session.scalars(select(Membership.group).where(Membership.user == name)).all()
    return Principal(name, frozenset(groups))


def _in_force(version: type[DocumentVersion], moment: datetime) -> ColumnElement[bool]:
    return and_(
        or_(version.effective_from.is_(None), version.effective_from <= moment),
        or_(version.expires_at.is_(None), version.expires_at > moment),
        or_(version.superseded_at.is_(None), version.superseded_at > moment),
    )


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.collection is not None:
        conditions.append(Collection.name == filters.collection)
    if filters.document_ids is not None:
        conditions.append(Document.id.in_(filters.document_ids))
    if filters.source_prefix is not None:
        conditions.append(Document.source.startswith(filters.source_prefix, autoescape=True))
    if filters.media_type is not None:
        conditions.append(DocumentVersion.media_type == filters.media_type)
    if filters.updated_after is not None:
        conditions.append(DocumentVersion.created_at >= filters.updated_after)
    if filters.updated_before is not None:
        conditions.append(DocumentVersion.created_at < filters.updated_before)
    for name, value in filters.metadata.items():
        conditions.append(cast(Document.attributes[name].as_string(), String) == value)
    return conditions
