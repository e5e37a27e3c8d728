"""Who a request is: the principal of its key, or the operator where no key was ever made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeAlias

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from app.conversations import readable_of
from app.keys import authenticate, keys_exist
from app.limits import RateLimiter, from_here, is_loopback
from app.runtime import Runtime
from core.errors import AttestError, Forbidden, NotFound, Unauthenticated
from core.types import OPERATOR, Principal

WITH_BODY = ("POST", "PUT", "PATCH")
bearer = HTTPBearer(auto_error=False, description="An API key; not needed while no key was ever made.")


def runtime_of(request: Request) -> Runtime:
    """Return the parts the server answers with."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def principal_of(
    request: Request, _described: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
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
    principal = _known(request)
    if principal is not OPERATOR:  # as whom whoever is here asks, uncounted; a key's operator is another object
        request.app.state.limiter.take(principal.name)
    return principal


class KeysFirst:
    """Refuses a caller before its body is read: a stranger's is neither parsed nor kept."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["method"] in WITH_BODY and scope["path"].startswith("/v1/"):
            request = Request(scope)
            try:
                await run_in_threadpool(_known, request)
            except AttestError as error:
                handler = request.app.exception_handlers[AttestError]
                await (await handler(request, error))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _known(request: Request) -> Principal:
    """Return who is asking; each time a key is wrong counts towards the rate of the address that sent it."""
    with runtime_of(request).database.read() as session:
        if not keys_exist(session):
            return _whoever_is_here(request)
        try:
            return _of_its_key(session, request)
        except Unauthenticated:
            limiter: RateLimiter = request.app.state.limiter
            limiter.take(f"address:{request.client.host if request.client else ''}")
            raise


def still_reading(request: Request) -> Callable[[set[str]], None]:
    """Return what says whether a request may be told of some documents now: its key or a list may have changed since.

    It raises `Unauthenticated` or `Forbidden` where the request would be refused if it came now, and `NotFound` where
    one of the documents may no longer be read.
    """

    def require(document_ids: set[str]) -> None:
        with runtime_of(request).database.read() as session:
            principal = _of_its_key(session, request) if keys_exist(session) else _whoever_is_here(request)
            if document_ids and document_ids != readable_of(session, principal, document_ids):
                raise NotFound("a document behind this answer can no longer be shown to you; ask again")

    return require


def _of_its_key(session: Session, request: Request) -> Principal:
    """Return the principal of the key that a request carries, with its groups as they are now."""
    scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("an API key is needed: Authorization: Bearer …")
    return authenticate(session, token)


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
