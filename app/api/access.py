"""Who is asking, who may read what, and who holds a key; all but the first for the operator."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.api.description import gives
from app.auth import Asking, Operating, Parts
from app.keys import create_key, list_keys, revoke_key
from app.replies import Me
from app.schemas import AccessBody, KeyBody, Name
from core.db import grants
from core.types import Json
from ingest.documents import list_collections

router = APIRouter(prefix="/v1", tags=["access"])


@router.get("/me", responses=gives(Me))
def me(principal: Asking) -> Json:
    """Say whom the key acts for."""
    return {"principal": principal.name, "groups": sorted(principal.groups), "operator": principal.operator}


@router.get("/collections")
def collections(principal: Asking, runtime: Parts) -> Json:
    """List the collections that hold a document the caller may read."""
    return {"collections": list_collections(runtime.database, principal)}


@router.get("/collections/{name}/access")
def collection_access(name: str, _operator: Operating, runtime: Parts) -> Json:
    """Return who may read the documents of a collection, but for the `own_lists` that have a list of their own."""
    with runtime.database.read() as session:
        found = grants.collection_access(session, name)
    return {"collection": name, "allow": list(found.principals), "own_lists": found.own_lists}


@router.put("/collections/{name}/access")
def set_collection_access(name: str, body: AccessBody, operator: Operating, runtime: Parts) -> Json:
    """Replace who may read a collection; in force at once. Documents with a list of their own keep it."""
    with runtime.database.write() as session:
        grants.set_collection_access(session, name, body.allow or [])
    return collection_access(name, operator, runtime)


@router.get("/documents/{document_id}/access")
def document_access(document_id: str, _operator: Operating, runtime: Parts) -> Json:
    """Return who may read a document."""
    with runtime.database.read() as session:
        access = grants.document_access(session, document_id)
    return {"id": document_id, "allow": list(access.principals), "inherited": access.inherited}


@router.put("/documents/{document_id}/access")
def set_document_access(document_id: str, body: AccessBody, operator: Operating, runtime: Parts) -> Json:
    """Replace who may read a document; `null` gives it its collection's list again. In force at once."""
    with runtime.database.write() as session:
        grants.set_document_access(session, document_id, body.allow)
    return document_access(document_id, operator, runtime)


@router.get("/groups")
def groups(_operator: Operating, runtime: Parts) -> Json:
    """Return every group with its members."""
    with runtime.database.read() as session:
        return {"groups": grants.members(session)}


@router.put("/groups/{group}/members/{user}", status_code=204)
def add_member(group: Name, user: Name, _operator: Operating, runtime: Parts) -> Response:
    """Make a user a member of a group."""
    with runtime.database.write() as session:
        grants.add_member(session, user, group)
    return Response(status_code=204)


@router.delete("/groups/{group}/members/{user}", status_code=204)
def remove_member(group: Name, user: Name, _operator: Operating, runtime: Parts) -> Response:
    """End a membership; in force at once."""
    with runtime.database.write() as session:
        grants.remove_member(session, user, group)
    return Response(status_code=204)


@router.get("/keys")
def keys(_operator: Operating, runtime: Parts) -> Json:
    """List the keys, never the secrets."""
    with runtime.database.read() as session:
        return {
            "keys": [
                {
                    "prefix": key.prefix,
                    "principal": key.principal,
                    "operator": key.operator,
                    "name": key.name,
                    "created_at": key.created_at.isoformat(),
                    "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
                }
                for key in list_keys(session)
            ]
        }


@router.post("/keys", status_code=201)
def make_key(body: KeyBody, _operator: Operating, runtime: Parts) -> Json:
    """Make a key; its token is in this response and nowhere else."""
    with runtime.database.write() as session:
        key = create_key(session, body.principal, name=body.name, operator=body.operator)
    return {"prefix": key.prefix, "key": key.token, "principal": key.principal, "operator": key.operator}


@router.delete("/keys/{prefix}", status_code=204)
def end_key(prefix: str, _operator: Operating, runtime: Parts) -> Response:
    """Revoke a key; the next request that carries it is refused."""
    with runtime.database.write() as session:
        revoke_key(session, prefix)
    return Response(status_code=204)
