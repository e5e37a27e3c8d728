"""An answer as it is stored: whose words it holds, and the same without them.

A follow-up is searched for with words lent by the answers before it, so that documents' words also lie in answers that
do not name them: in `query`, in a refusal that says what was searched for, and in a client's own `history`.
"""

from __future__ import annotations

from core.types import Json

GREETING = "greeting"
"""The reason of a refusal of a text that asks nothing."""
LENT = ("query", "text", "history")
"""What may hold words that earlier answers lent; each is hashed by itself in the audit record."""
EMPTIED: Json = {"text": "", "query": "", "claims": [], "citations": [], "nearest": [], "named": []}


def documents_of(answer: Json) -> set[str]:
    """Return the ids of the documents that an answer cites, shows as nearest or names by title."""
    shown = (*answer.get("citations", ()), *answer.get("nearest", ()))
    return {item["document_id"] for item in shown} | set(answer.get("named", ()))


def without_lent_words(answer: Json) -> Json:
    """Return an answer without what earlier ones lent to its question; a refusal, which may tell it, without text."""
    bare = {name: value for name, value in answer.items() if name != "history"}
    query = bare.get("query", "")
    if query in ("", bare.get("question")):
        return bare
    return bare | {"query": ""} | ({"text": ""} if bare["outcome"] == "refused" else {})
