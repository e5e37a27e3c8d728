"""The description of the API as one page that loads nothing: FastAPI's own fetches its scripts from the network."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from core.types import Json

router = APIRouter(include_in_schema=False)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.55 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin: 2rem 0 .4rem; font-size: 1.1rem; text-transform: capitalize; }
details { border: 1px solid #8885; border-radius: .5rem; margin: .35rem 0; }
summary { padding: .5rem .8rem; cursor: pointer; }
summary b { display: inline-block; min-width: 4.6rem; }
details > div { padding: 0 .9rem .8rem; }
code, pre { font-size: .9rem; }
pre { overflow: auto; background: #8881; padding: .7rem; border-radius: .4rem; }
td { padding: .1rem 1rem .1rem 0; vertical-align: top; }
.quiet { opacity: .75; }
"""


@router.get("/docs", response_class=HTMLResponse)
def reference(request: Request) -> HTMLResponse:
    """Return the page."""
    return HTMLResponse(reference_html(request.app.openapi()), headers={"content-security-policy": POLICY})


def reference_html(schema: Json) -> str:
    """Return every route of an OpenAPI description, by subject."""
    subjects: dict[str, list[str]] = {}
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            subject = (route.get("tags") or ["other"])[0]
            subjects.setdefault(subject, []).append(_route(schema, method.upper(), path, route))
    parts = [f"<h2>{escape(subject)}</h2>{''.join(routes)}" for subject, routes in subjects.items()]
    about = escape(schema["info"].get("description", ""))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Attest: REST</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style><h1>Attest</h1><p>{about}</p>'
        '<p class="quiet">A key goes in <code>Authorization: Bearer …</code>; none is needed while none was made. '
        f'For programs: <a href="/openapi.json">/openapi.json</a>.</p>{"".join(parts)}</html>'
    )


def _route(schema: Json, method: str, path: str, route: Json) -> str:
    head = f"<summary><b><code>{method}</code></b><code>{escape(path)}</code></summary>"
    said = escape(route.get("description") or route.get("summary") or "").replace("\n\n", "</p><p>")
    return f"<details>{head}<div><p>{said}</p>{_parameters(route)}{_body(schema, route)}</div></details>"


def _parameters(route: Json) -> str:
    rows = [
        f"<tr><td><code>{escape(one['name'])}</code></td><td>in the {escape(one['in'])}"
        f"{', required' if one.get('required') else ''}</td><td>{escape(one.get('description', ''))}</td></tr>"
        for one in route.get("parameters", ())
    ]
    return f"<table>{''.join(rows)}</table>" if rows else ""


def _body(schema: Json, route: Json) -> str:
    """Return the fields of a body with their types, and an example where there is one."""
    parts = []
    for media_type, content in (route.get("requestBody") or {}).get("content", {}).items():
        body = _resolved(schema, content["schema"])
        needed = body.get("required", ())
        fields = {
            f"{name}{'' if name in needed else '?'}": _kind(schema, field)
            for name, field in body.get("properties", {}).items()
        }
        parts.append(f"<p>Body, {escape(media_type)}:</p>{_json(fields)}")
        parts += [f"<p>For example:</p>{_json(example)}" for example in body.get("examples", ())[:1]]
    return "".join(parts)


def _resolved(schema: Json, part: Json) -> Json:
    found: Json = schema
    if "$ref" in part:
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return found
    return part


def _kind(schema: Json, field: Json) -> Any:
    """Return what a field may hold, in few words."""
    field = _resolved(schema, field)
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    if "anyOf" in field:
        return " | ".join(str(_kind(schema, one)) for one in field["anyOf"])
    if "properties" in field:
        return {name: _kind(schema, inner) for name, inner in field["properties"].items()}
    if field.get("type") == "array":
        return [_kind(schema, field.get("items", {}))]
    return field.get("type", "anything")


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
