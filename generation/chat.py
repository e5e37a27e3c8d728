"""The messages of one request: stable text first, so that a server's prefix cache serves it again."""

from __future__ import annotations

from collections.abc import Sequence

from core.types import Evidence, Message
from generation.prompts import render, render_evidence, template

HISTORY_MESSAGES = 6
"""Earlier messages shown to the model; the rewritten query already carries what older ones meant."""


def chat_messages(question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> list[dict[str, str]]:
    """Return system, evidence and question as chat messages, the conversation between the last two."""
    head = [
        {
            "role": "system",
            "content": template("system") + "\n\n" + render("evidence", passages=render_evidence(evidence)),
        }
    ]
    earlier = [{"role": message.role, "content": message.content} for message in history[-HISTORY_MESSAGES:]]
    return [*head, *earlier, {"role": "user", "content": render("question", question=question)}]
