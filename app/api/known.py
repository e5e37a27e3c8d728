"""Fields of an address or a form that a route does not know are refused, as those of a JSON body are.

Left out without a word, a misspelt `collection` lists every collection, and a misspelt `allow` puts a file before
everybody who may read its collection.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import Request

from app.auth import Asking
from core.errors import InvalidInput


async def only_known(request: Request, _principal: Asking) -> None:  # who is asking comes first
    """Let a request through whose query and form hold nothing but what its route takes.

    Raises:
        InvalidInput: there is a field that it does not know.
    """
    takes = request.scope["route"].dependant
    _require("query", request.query_params.keys(), {field.alias for field in takes.query_params})
    if takes.body_params and request.headers.get("content-type", "").startswith("multipart/"):
        _require("body", (await request.form()).keys(), {field.alias for field in takes.body_params})


def _require(where: str, given: Iterable[str], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        there_are = f"there are {', '.join(sorted(known))}" if known else "there are none here"
        raise InvalidInput(f"{where}.{unknown[0]}: not a known field; {there_are}")
