"""Errors as problem+json (RFC 9457): the only place that turns an exception into a response."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from core.errors import AttestError
from core.types import Json

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"


def problem(status: int, kind: str, detail: str, **more: object) -> Json:
    """Return the body of a problem."""
    return {
        "type": f"urn:attest:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }


def problem_response(
    status: int, kind: str, detail: str, retry_after_s: int | None = None, **more: object
) -> JSONResponse:
    """Return a problem as a response, with `Retry-After` where trying again may help."""
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(problem(status, kind, detail, **more), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(AttestError, _attest_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _attest_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AttestError)
    if error.status_code >= 500:
        log.warning("%s: %s", error.kind, error)
    return problem_response(error.status_code, error.kind, str(error), error.retry_after_s)


async def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    wrong = [{"at": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
    detail = "; ".join(f"{item['at']}: {item['message']}" for item in wrong)
    return problem_response(422, "InvalidInput", detail, errors=wrong)


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem_response(
        error.status_code, HTTPStatus(error.status_code).name.title().replace("_", ""), error.detail
    )


async def _unexpected(_request: Request, error: Exception) -> JSONResponse:
    """A bug: logged in full, told without a word of it."""
    log.error("unexpected error", exc_info=error)
    return problem_response(500, "Unexpected", "something went wrong; the server's log says what")
