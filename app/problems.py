"""Errors as problem+json (RFC 9457): the only place that turns an exception into a response."""

from __future__ import annotations

import logging
import re
import uuid
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from core.errors import AttestError, InvalidInput
from core.types import Json

log = logging.getLogger(__name__)
UNEXPECTED = "Unexpected"
MEDIA_TYPE = "application/problem+json"
JSON_OBJECT = "a JSON object, sent with Content-Type: application/json"
UNREAD = "There was an error parsing the body"
"""What the framework says of bytes that are no text, and of JSON nested too deeply."""
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
OPENAI_ROUTES = ("/v1/chat/", "/v1/models")
OPENAI_ELSEWHERE = ("/v1/completions", "/v1/embeddings", "/v1/moderations", "/v1/responses")
"""Routes of OpenAI's protocol that do not exist here; its clients are told so where they look."""


def problem(status: int, kind: str, detail: str, **more: object) -> Json:
    """Return the body of a problem."""
    return {
        "type": f"urn:attest:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }


def unexpected(where: str, error: BaseException) -> Json:
    """Log an error that nobody expected and return it as a problem whose `request_id` finds it in the log."""
    request_id = uuid.uuid4().hex
    log.error("unexpected error, request %s: %s", request_id, where, exc_info=error)
    detail = f"something went wrong; the server's log says what beside {request_id}"
    return problem(500, UNEXPECTED, detail, request_id=request_id)


def problem_response(
    status: int, kind: str, detail: str, retry_after_s: int | None = None, **more: object
) -> JSONResponse:
    """Return a problem as a response, with `Retry-After` where trying again may help."""
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(problem(status, kind, detail, **more), status, headers, MEDIA_TYPE)


def openai_error(status: int, kind: str, detail: str) -> Json:
    """Return a problem in the form that OpenAI's clients know."""
    return {"message": detail, "type": kind, "param": None, "code": status}


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(AttestError, _attest_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def _respond(request: Request, status: int, kind: str, detail: str, **more: Any) -> JSONResponse:
    """Return the problem; on OpenAI's routes also in the form from which its clients take the message."""
    if request.url.path.startswith(OPENAI_ROUTES + OPENAI_ELSEWHERE):
        more["error"] = openai_error(status, kind, detail)
    return problem_response(status, kind, detail, **more)


async def _attest_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AttestError)
    if error.status_code >= 500:
        log.warning("%s: %s", error.kind, error)
    return _respond(request, error.status_code, error.kind, str(error), retry_after_s=error.retry_after_s)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    wrong = [_mistake(e) for e in error.errors()]
    detail = "; ".join(f"{item['at']}: {item['message']}" for item in wrong)
    return _respond(request, 422, "InvalidInput", detail, errors=wrong)


def _mistake(error: dict[str, Any]) -> Json:
    """Return where a request is wrong, and what is wrong there."""
    if error["type"] == "json_invalid":  # the place is how many characters could be read
        return {"at": error["loc"][0], "message": f"no valid JSON from character {error['loc'][-1]} on"}
    return {"at": ".".join(map(str, error["loc"])), "message": _plain(error["msg"])}


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    detail = error.detail
    if detail == UNREAD:
        detail = "the body cannot be read: JSON in UTF-8 is expected, for uploads multipart form data"
        return _respond(request, 422, InvalidInput.__name__, detail)
    if detail == status.phrase and status == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {request.url.path}; the routes are described at /docs"
    elif detail == status.phrase and status == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not possible at {request.url.path}"
    response = _respond(request, status, status.name.title().replace("_", ""), detail)
    response.headers.update(error.headers or {})
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(_methods(request))
    return response


def _methods(request: Request) -> list[str]:
    """Return what is possible at a path: the framework names the methods of one of its routes only."""

    def possible(method: str) -> bool:
        return any(r.matches({**request.scope, "method": method})[0] == Match.FULL for r in request.app.routes)

    return [method for method in METHODS if possible(method)]


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """A bug: logged in full, told without a word of it."""
    told = unexpected(f"{request.method} {getattr(request.scope.get('route'), 'path', 'unmatched')}", error)
    return _respond(request, told["status"], UNEXPECTED, told["detail"], request_id=told["request_id"])


def _plain(message: str) -> str:
    """Return a complaint of pydantic without the words that only Python's programmers know."""
    if "UploadFile" in message:
        return "a file is needed, with a name"
    message = message.removeprefix("Value error, ").replace("Extra inputs are not permitted", "not a known field")
    message = message.replace("a valid dictionary or object to extract fields from", JSON_OBJECT)
    message = re.sub(r"^(?:String|List) should|^Input should", "must", message)
    return re.sub(r" after validation, not \d+$", "", message).partition(", unable")[0]
