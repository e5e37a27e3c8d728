"""A caller's own conversations."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from app.api.description import gives
from app.auth import Asking, Parts
from app.conversations import as_markdown, delete_conversation, list_conversations, show_conversation
from app.replies import Conversations, ConversationShown
from app.schemas import MOST_INTEGER
from core.types import Json

MARKDOWN = {"text/markdown": {"schema": {"type": "string"}}}
router = APIRouter(prefix="/v1/conversations", tags=["conversations"])


@router.get("", responses=gives(Conversations))
def listed(
    principal: Asking,
    runtime: Parts,
    q: Annotated[str | None, Query(max_length=200, description="Words to look for")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=MOST_INTEGER)] = 0,
) -> Json:
    """List the caller's conversations, the latest first."""
    found = list_conversations(runtime.database, principal, search=q, limit=limit, offset=offset)
    return {"conversations": found}


@router.get("/{conversation_id}", responses=gives(ConversationShown))
def shown(conversation_id: str, principal: Asking, runtime: Parts) -> Json:
    """Return a conversation with its turns."""
    return show_conversation(runtime.database, principal, conversation_id)


@router.get(
    "/{conversation_id}/export",
    responses=gives(ConversationShown, content=MARKDOWN),
)
def exported(
    conversation_id: str,
    principal: Asking,
    runtime: Parts,
    format: Annotated[Literal["json", "markdown"], Query()] = "json",
) -> Response:
    """Return a conversation as a file to keep."""
    conversation = show_conversation(runtime.database, principal, conversation_id)
    if format == "markdown":
        return _file(as_markdown(conversation), "text/markdown; charset=utf-8", f"{conversation_id}.md")
    import json

    return _file(json.dumps(conversation, ensure_ascii=False, indent=2), "application/json", f"{conversation_id}.json")


@router.delete("/{conversation_id}", status_code=204)
def deleted(conversation_id: str, principal: Asking, runtime: Parts) -> Response:
    """Delete a conversation and its turns for good."""
    delete_conversation(runtime.database, principal, conversation_id)
    return Response(status_code=204)


def _file(text: str, media_type: str, name: str) -> Response:
    return Response(text, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
