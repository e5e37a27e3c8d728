"""Editing who may read what: access lists of collections and documents, and members of groups.

Every edit logs an `access` change in the caller's transaction, so it is in force everywhere once that commits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from core.db.changes import touch_access
from core.db.models import Collection, CollectionAccess, Document, DocumentAccess, IngestFailure, Membership
from core.errors import InvalidInput, NotFound

LONGEST_NAME = 200
"""Characters of a collection's or a principal's name, as the columns have."""

PRINCIPAL = re.compile(r"public|(user|group):\S+")


@dataclass(frozen=True, slots=True)
class AccessList:
    """The principals of a list; an inherited one is the collection's."""

    principals: tuple[str, ...]
    inherited: bool = False
    own_lists: int = 0
    """How many documents of the collection have lists of their own, whose readers this one does not decide."""


def require_principal(name: str) -> str:
    """Return the name if an access list may hold it.

    Raises:
        InvalidInput: it is neither `public` nor `user:NAME` nor `group:NAME`, is too long, or holds a control character
            or half of one.
    """
    if not PRINCIPAL.fullmatch(name):
        raise InvalidInput(f"{name!r} is no principal: write public, user:NAME or group:NAME")
    if len(name) > LONGEST_NAME:
        raise InvalidInput(f"a principal has at most {LONGEST_NAME} characters, not {len(name)}")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise InvalidInput(f"{name!a} is no principal: it holds a character that cannot be kept")
    return name


def collection_named(session: Session, name: str) -> Collection:
    """Return a collection.

    Raises:
        NotFound: there is none of that name.
    """
    found = session.scalar(select(Collection).where(Collection.name == name))
    if found is None:
        raise NotFound(f"there is no collection {name!r}")
    return found


def require_collection_name(name: str) -> str:
    """Return the name if a new collection may have it.

    Raises:
        InvalidInput: it is empty, too long, or holds a character that no line shows.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInput(f"a collection's name is one line of 1 to {LONGEST_NAME} characters")
    return name


def ensure_collection(session: Session, name: str) -> Collection:
    """Return a collection, making it with an empty access list where it is new.

    Raises:
        InvalidInput: it is new and the name is empty, too long, or holds a character that no line shows.
    """
    found = session.scalar(select(Collection).where(Collection.name == name))
    if found is None:
        found = Collection(name=require_collection_name(name))
        session.add(found)
        session.flush()
    return found


def collection_access(session: Session, name: str) -> AccessList:
    """Return a collection's list."""
    collection = collection_named(session, name)
    rows = session.scalars(select(CollectionAccess.principal).where(CollectionAccess.collection_id == collection.id))
    own = select(func.count()).where(
        Document.collection_id == collection.id, Document.own_access, Document.state != "deleted"
    )
    return AccessList(tuple(sorted(rows)), own_lists=session.scalar(own) or 0)


def set_collection_access(session: Session, name: str, principals: Iterable[str]) -> None:
    """Replace a collection's list, making the collection where it is new."""
    collection = ensure_collection(session, name)
    names = sorted({require_principal(principal) for principal in principals})
    session.execute(delete(CollectionAccess).where(CollectionAccess.collection_id == collection.id))
    session.add_all(CollectionAccess(collection_id=collection.id, principal=principal) for principal in names)
    touch_access(session)


def grant_collection(session: Session, name: str, principal: str) -> None:
    """Add a principal to a collection's list."""
    ensure_collection(session, name)
    set_collection_access(session, name, {*collection_access(session, name).principals, principal})


def revoke_collection(session: Session, name: str, principal: str) -> None:
    """Take a principal off a collection's list.

    Raises:
        NotFound: there is no such collection, or the principal is not on its list.
    """
    left = _without(collection_access(session, name), principal, f"collection {name!r}")
    set_collection_access(session, name, left)


def document_access(session: Session, document_id: str) -> AccessList:
    """Return the list in force for a document: its own, or its collection's."""
    document = _document(session, document_id)
    if not document.own_access:
        return AccessList(collection_access(session, document.collection.name).principals, inherited=True)
    rows = session.scalars(select(DocumentAccess.principal).where(DocumentAccess.document_key == document.key))
    return AccessList(tuple(sorted(rows)))


def set_document_access(session: Session, document_id: str, principals: Iterable[str] | None) -> None:
    """Give a document a list of its own (an empty one hides it from all but the operator); `None` inherits again."""
    document = _document(session, document_id)
    names = sorted({require_principal(principal) for principal in principals or ()})
    session.execute(delete(DocumentAccess).where(DocumentAccess.document_key == document.key))
    if names:
        session.execute(
            insert(DocumentAccess), [{"document_key": document.key, "principal": principal} for principal in names]
        )
    document.own_access = principals is not None
    waits = (IngestFailure.collection_id == document.collection_id, IngestFailure.source == document.source)
    session.execute(update(IngestFailure).where(*waits).values(allow=None))  # a retry goes by what was said last
    touch_access(session)


def grant_document(session: Session, document_id: str, principal: str) -> None:
    """Add a principal to a document's list; an inherited list becomes the document's own first."""
    set_document_access(session, document_id, {*document_access(session, document_id).principals, principal})


def revoke_document(session: Session, document_id: str, principal: str) -> None:
    """Take a principal off a document's list; an inherited list becomes the document's own first.

    Raises:
        NotFound: there is no such document, or the principal is not on the list in force for it.
    """
    left = _without(document_access(session, document_id), principal, f"document {document_id}")
    set_document_access(session, document_id, left)


def add_member(session: Session, user: str, group: str) -> None:
    """Make a user a member of a group; a second time changes nothing."""
    _require_membership(user, group)
    if session.get(Membership, (user, group)) is None:
        session.add(Membership(user=user, group=group))
    touch_access(session)


def remove_member(session: Session, user: str, group: str) -> None:
    """End a membership at once.

    Raises:
        NotFound: there was none.
    """
    _require_membership(user, group)
    membership = session.get(Membership, (user, group))
    if membership is None:
        raise NotFound(f"{user} is not a member of {group}")
    session.delete(membership)
    touch_access(session)


def members(session: Session) -> dict[str, list[str]]:
    """Return every group with its members, both sorted."""
    groups: dict[str, list[str]] = {}
    for row in session.scalars(select(Membership).order_by(Membership.group, Membership.user)):
        groups.setdefault(row.group, []).append(row.user)
    return groups


def _without(access: AccessList, principal: str, of: str) -> set[str]:
    """Return a list without a principal; an edit that takes nobody off must not pass for one that did."""
    if principal not in access.principals:
        raise NotFound(f"{principal} is not on the access list of {of}")
    return set(access.principals) - {principal}


def _require_membership(user: str, group: str) -> None:
    if not require_principal(user).startswith("user:") or not require_principal(group).startswith("group:"):
        raise InvalidInput("a membership is user:NAME in group:NAME")


def _document(session: Session, document_id: str) -> Document:
    found = session.scalar(select(Document).where(Document.id == document_id))
    if found is None:
        raise NotFound(f"there is no document {document_id}")
    return found
