"""Who a request is: the principal of its key, or the operator where no key was ever made."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.keys import authenticate, keys_exist
from app.limits import RateLimiter, from_here, is_loopback
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
    """Return who is asking, within the rate that a principal may ask at.

    While no key was ever made whoever asks from this machine operates it; OpenAI's clients send some key all the
    same, and it means nothing then.

    Raises:
        Unauthenticated: there are keys and the request carries none that is valid, or there are none and the server
            listens to other machines.
        Forbidden: there are no keys, and another site sent the request.
        RateLimited: the principal, or an address without a valid key, asks too often.
    """
    limiter: RateLimiter = request.app.state.limiter
    with runtime_of(request).database.read() as session:
        if not keys_exist(session):
            return _whoever_is_here(request)
        try:
            if credentials is None:
                raise Unauthenticated("an API key is needed: Authorization: Bearer …")
            principal = authenticate(session, credentials.credentials)
        except Unauthenticated:
            limiter.take(f"address:{request.client.host if request.client else ''}")
            raise
    limiter.take(principal.name)
    return principal


def _whoever_is_here(request: Request) -> Principal:
    """Return the operator, as whom this machine is served while there are no keys."""
    if not is_loopback(request.app.state.settings.server.host):
        raise Unauthenticated("no key was ever made here; make one with: attest keys create --operator")
    if not from_here(request.headers, request.scope["http_version"]):
        raise Forbidden(
            "without any key this server answers this machine only, and nobody through a proxy; "
            "make a key with: attest keys create --operator"
        )
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
