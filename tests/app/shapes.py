"""The shapes that INTERFACES promises: field → type, lists by their one element."""

from __future__ import annotations

from typing import Any

NUMBER = (int, float)
ANSWER: dict[str, Any] = {
    "id": str,
    "outcome": str,
    "text": str,
    "reason": (str, type(None)),
    "claims": [{"text": str, "start": int, "end": int, "citations": [int], "verdict": str, "score": NUMBER}],
    "citations": [
        {
            "marker": int,
            "document_id": str,
            "version": int,
            "title": str,
            "source": str,
            "page": (int, type(None)),
            "start": int,
            "end": int,
            "quote": str,
            "boxes": list,
            "score": NUMBER,
        }
    ],
    "rails": [{"rail": str, "stage": str, "action": str, "score": NUMBER, "threshold": NUMBER}],
    "model": str,
    "generator": str,
    "index_seq": int,
    "timings_ms": dict,
}
SEARCH: dict[str, Any] = {
    "query": str,
    "hits": [
        {
            "rank": int,
            "score": NUMBER,
            "document_id": str,
            "title": str,
            "source": str,
            "page": (int, type(None)),
            "start": int,
            "end": int,
            "text": str,
            "scores": {
                "dense": (int, float, type(None)),
                "lexical": (int, float, type(None)),
                "fused": (int, float, type(None)),
                "rerank": (int, float, type(None)),
            },
        }
    ],
    "timings_ms": dict,
}
EXPLANATION: dict[str, Any] = {"stage": str, "detail": str, "ranks": dict}
INGEST: dict[str, Any] = {
    "run_id": str,
    "seen": int,
    "added": int,
    "updated": int,
    "unchanged": int,
    "duplicates": int,
    "failed": [{"source": str, "error": str, "kind": str, "message": str}],
    "quarantined": [{"source": str, "reason": str}],
    "chunks": int,
    "pages": int,
    "seconds": NUMBER,
}
DOCUMENTS: dict[str, Any] = {
    "documents": [
        {
            "id": str,
            "title": str,
            "source": str,
            "collection": str,
            "version": int,
            "state": str,
            "chunks": int,
            "pages": int,
            "sha256": str,
            "updated_at": str,
        }
    ]
}
DOCTOR: dict[str, Any] = {"ok": bool, "checks": [{"name": str, "ok": bool, "detail": str, "fix": (str, type(None))}]}
DELETED: dict[str, Any] = {"id": str, "deleted": bool, "verified": dict}
PROBLEM: dict[str, Any] = {"type": str, "title": str, "status": int, "detail": str}


def require_shape(value: Any, shape: Any, at: str = "$") -> None:
    """Fail where a value lacks a field of the shape or has another type; more fields are welcome."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), f"{at} is no object"
        for name, inner in shape.items():
            assert name in value, f"{at}.{name} is missing"
            require_shape(value[name], inner, f"{at}.{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), f"{at} is no list"
        for number, item in enumerate(value):
            require_shape(item, shape[0], f"{at}[{number}]")
    else:
        assert isinstance(value, shape), f"{at} is {type(value).__name__}"
        assert shape in (bool,) or not isinstance(value, bool) or shape is object, f"{at} is a bool"
