"""The one place that turns question, evidence and worked examples into messages, for serving and for training."""

from __future__ import annotations

from collections.abc import Sequence

from core.types import Evidence, Message, PromptName
from generation.brief import Shot, brief_messages, shown_of
from generation.chat import chat_messages
from generation.prompts import render


def styled_messages(
    prompt: PromptName,
    question: str,
    evidence: Sequence[Evidence],
    history: Sequence[Message] = (),
    shots: Sequence[Shot] = (),
) -> list[dict[str, str]]:
    """Return the messages of one request; the brief prompt reads a question that stands alone, without history."""
    if prompt == "brief":
        return brief_messages(question, shown_of(evidence), shots)
    head, *rest = chat_messages(question, evidence, history)
    worked = [message for shot in shots for message in _worked(shot)]
    return [head, *worked, *rest]


def _worked(shot: Shot) -> list[dict[str, str]]:
    passages = "\n\n".join(
        f'<passage id="{marker}" title="{shown.title}">\n{shown.text}\n</passage>'
        for marker, shown in enumerate(shot.passages, 1)
    )
    asked = render("evidence", passages=passages) + "\n\n" + render("question", question=shot.question)
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": shot.reply}]
