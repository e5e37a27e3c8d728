"""Who a request is: the principal of its key, or the operator where no key was ever made."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.keys import authenticate, keys_exist
from app.runtime import Runtime
from core.errors import Forbidden, Unauthenticated
from core.types import OPERATOR, Principal

bearer = HTTPBearer(auto_error=False, description="An API key; not needed while no key was ever made.")


def runtime_of(request: Request) -> Runtime:
    """Return the parts the server answers with."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def principal_of(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Principal:
    """Return who is asking; a key given is always checked, even where none is needed.

    Raises:
        Unauthenticated: there are keys and the request carries none that is valid.
    """
    with runtime_of(request).database.read() as session:
        if credentials is not None:
            return authenticate(session, credentials.credentials)
        if keys_exist(session):
            raise Unauthenticated("an API key is needed: Authorization: Bearer …")
    return OPERATOR


def operator_of(principal: Annotated[Principal, Depends(principal_of)]) -> Principal:
    """Return the operator who is asking.

    Raises:
        Forbidden: the principal does not operate the system.
    """
    if not principal.operator:
        raise Forbidden("this is for the operator")
    return principal


Asking: TypeAlias = Annotated[Principal, Depends(principal_of)]
Operating: TypeAlias = Annotated[Principal, Depends(operator_of)]
Parts: TypeAlias = Annotated[Runtime, Depends(runtime_of)]
