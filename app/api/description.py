"""The description of the API at `/openapi.json`: what every route may answer, errors included."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from app.problems import MEDIA_TYPE
from app.replies import Problem
from core.types import Json

Responses = dict[int | str, dict[str, Any]]
REF = "#/components/schemas/{model}"
STATUSES = {
    400: "A `Host` or `Origin` that is no address",
    401: "No valid key",
    403: "Not yours to do",
    404: "Not there, or not yours to know of",
    409: "Not possible as things stand",
    413: "Too large",
    422: "Malformed; `errors` says where",
    429: "Too many requests; see `Retry-After`",
    500: "A wrong setting, or a fault of the server",
    501: "A package that is needed is not installed",
    503: "Model, index or store not available; `Retry-After` where waiting helps",
    504: "The model took too long; see `Retry-After`",
}
PROBLEMS: Responses = {
    status: {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model=Problem.__name__)}}}}
    for status, text in STATUSES.items()
}
BINARY: Json = {"schema": {"type": "string", "format": "binary"}}
EVENTS: Json = {"text/event-stream": {"schema": {"type": "string"}}}


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


class Described(FastAPI):
    """An application whose description names its errors as they are."""

    def openapi(self) -> dict[str, Any]:
        """Return the description, made once."""
        if self.openapi_schema is None:
            schema = super().openapi()
            schema["components"]["schemas"][Problem.__name__] = _problem(schema)
            for methods in schema["paths"].values():
                for route in methods.values():
                    for response in route["responses"].values():
                        _without_siblings(response)
        assert self.openapi_schema is not None
        return self.openapi_schema


def gives(model: Any, status: int = 200, description: str = "Done", **more: Any) -> Responses:
    """Return what a route declares that answers with such a body; `more` are further media types, or an example."""
    return {status: {"model": model, "description": description, **more}}


def _problem(schema: Json) -> Json:
    """Return the schema of a problem, its parts moved to where the others are."""
    made = Problem.model_json_schema(mode="serialization", ref_template=REF)
    schema["components"]["schemas"] |= made.pop("$defs", {})
    return made


def _without_siblings(response: Json) -> None:
    """Leave of a body's schema what it refers to: what is inferred from the code beside it says only `object`."""
    for content in response.get("content", {}).values():
        if "$ref" in content.get("schema", {}):
            content["schema"] = {"$ref": content["schema"]["$ref"]}
