"""An answer as it is stored: whose words it holds, and the same without them.

A follow-up is searched for with words lent by the answers before it, so that documents' words also lie in answers that
do not name them: in `query`, in a refusal that says what was searched for, and in a client's own `history`.
"""

from __future__ import annotations

import json
from typing import Any

from core.types import Json

GREETING = "greeting"
"""The reason of a refusal of a text that asks nothing."""
PURGED = "purged"
"""The reason of an answer that a purge emptied."""
LENT = ("query", "text", "history")
"""What may hold words that earlier answers lent; each is hashed by itself in the audit record."""
UNREADABLE = object()
"""Stands for a record or content that is no JSON."""
EMPTIED: Json = {"text": "", "query": "", "claims": [], "citations": [], "nearest": [], "named": []}


def parsed(text: str | None) -> Any:
    """Return the value of a stored JSON text, `UNREADABLE` where it is none: somebody changed it."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return UNREADABLE


def documents_of(answer: Json) -> set[str]:
    """Return the ids of the documents that an answer cites, shows as nearest or names by title."""
    shown = (*answer.get("citations", ()), *answer.get("nearest", ()))
    return {item["document_id"] for item in shown} | set(answer.get("named", ()))


def emptied(answer: Json) -> Json:
    """Return what a conversation keeps of an answer that was made of a purged document."""
    return {**answer, **EMPTIED, "reason": PURGED}


def without_lent_words(answer: Json) -> Json:
    """Return an answer without what earlier ones lent to its question; a refusal, which may tell it, without text."""
    bare = {name: value for name, value in answer.items() if name != "history"}
    query = bare.get("query", "")
    if query in ("", bare.get("question")):
        return bare
    return bare | {"query": ""} | ({"text": ""} if bare["outcome"] == "refused" else {})
