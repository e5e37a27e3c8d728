"""The short prompt of a tuned model: what the long rules teach a large model, training teaches a small one.

The question stands before the passages as well as after them, since a small model reads a passage better when it
knows what is asked; each passage carries its marker on both sides. Worked examples go in front as earlier turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.types import Evidence
from generation.prompts import inline, render, template


@dataclass(frozen=True, slots=True)
class Shown:
    """A passage as the prompt shows it."""

    title: str
    text: str
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Shot:
    """A worked example: a question over its passages and the reply wanted."""

    question: str
    passages: tuple[Shown, ...]
    reply: str


def shown_of(evidence: Sequence[Evidence]) -> list[Shown]:
    """Return what a prompt shows of the evidence."""
    return [Shown(item.hit.title, item.hit.chunk.text, item.hit.chunk.heading) for item in evidence]


def brief_messages(question: str, passages: Sequence[Shown], shots: Sequence[Shot] = ()) -> list[dict[str, str]]:
    """Return the chat messages: a line of rules, the worked examples, then passages between the question twice."""
    messages = [{"role": "system", "content": template("brief_system")}]
    for shot in shots:
        messages += [
            {"role": "user", "content": _asked(shot.question, shot.passages)},
            {"role": "assistant", "content": shot.reply},
        ]
    return [*messages, {"role": "user", "content": _asked(question, passages)}]


def _asked(question: str, passages: Sequence[Shown]) -> str:
    rendered = "\n\n".join(
        render(
            "brief_passage",
            marker=str(marker),
            title=inline(shown.title),
            heading=inline(shown.heading),
            text=shown.text.replace("<passage", "‹passage").replace("</passage", "‹/passage"),
        )
        for marker, shown in enumerate(passages, 1)
    )
    return render("brief", question=question, passages=rendered)
