"""What went wrong with the API, in words for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx


class ApiError(Exception):
    """The API refused or could not be reached: what a reader should be told, and the HTTP status (0: no answer)."""

    def __init__(self, message: str, *, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


def unreachable(error: httpx.HTTPError) -> ApiError:
    """Say that no answer came, or none that can be read."""
    if isinstance(error, httpx.TimeoutException):
        return ApiError("The API took too long to answer.")
    if isinstance(error, httpx.LocalProtocolError) or not isinstance(error, httpx.TransportError):
        return ApiError(f"The API and this page did not understand each other ({type(error).__name__}).")
    return ApiError("The API cannot be reached. Is it running (attest serve)?")


def refusal(response: httpx.Response) -> ApiError:
    """Read problem+json; anything else becomes its status."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    try:
        wait = float(response.headers.get("retry-after", ""))
    except ValueError:
        wait = None
    message = detail_of(body if isinstance(body, Mapping) else {}) or f"the API answered {response.status_code}"
    if response.status_code == HTTPStatus.UNAUTHORIZED and "Authorization" not in response.request.headers:
        message = "this server wants a key: enter yours in the settings"
    message = message[:1].upper() + message[1:]
    return ApiError(message, status=response.status_code, retry_after_s=wait)


def detail_of(problem: Mapping[str, Any]) -> str:
    """Return what a problem says; of a wrong field, its name without its place in the request."""
    wrong = [row for row in problem.get("errors") or () if isinstance(row, Mapping)]
    if wrong:
        return "; ".join(f"the {_field(row)} {row.get('message', '')}" for row in wrong)
    return str(problem.get("detail") or problem.get("message") or problem.get("title") or "")


def _field(mistake: Mapping[str, Any]) -> str:
    return str(mistake.get("at", "")).rpartition(".")[2].replace("_", " ")
