"""`attest ask`."""

from __future__ import annotations

from enum import StrEnum
from textwrap import shorten, wrap
from typing import Annotated

import typer

from app.ask import ask as answer_question
from app.console import emit
from app.empty import note_where_empty
from app.footnotes import left_open, quoted
from app.runtime import open_runtime
from app.search_cli import As, AsJson, Collection, asked, named_principal
from core.settings import load_settings
from core.types import Answer, Filters, Question, Style

cli = typer.Typer(add_completion=False)
WIDTH = 100


class GeneratorOption(StrEnum):
    """Who drafts the answer."""

    auto = "auto"
    vllm = "vllm"
    embedded = "embedded"
    quote = "quote"


@cli.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question.", callback=asked)],
    collection: Collection = None,
    as_: As = None,
    generator: Annotated[GeneratorOption, typer.Option("--generator", help="Who drafts.")] = GeneratorOption.auto,
    k: Annotated[int | None, typer.Option("--k", min=1, max=100, help="Passages to read.")] = None,
    conversation: Annotated[str | None, typer.Option("--conversation", help="Continue or begin this one.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="The tuned task that drafts, or `none`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question, every sentence with its source."""
    with open_runtime(load_settings(), follow=False) as runtime:
        to_ask = Question(
            text=question,
            principal=named_principal(runtime, as_),
            filters=Filters(collection=collection),
            k=k,
            generator=generator.value,
            style=Style(task=task),
            conversation_id=conversation,
        )
        answer = answer_question(runtime, to_ask)
        if answer.outcome == "refused":
            note_where_empty(runtime.database, runtime.settings)
    emit(answer.to_json(), as_json=as_json, text=lambda: answer_text(answer))


def answer_text(answer: Answer) -> str:
    """Return an answer for a terminal."""
    lines = [line for paragraph in answer.text.split("\n") for line in wrap(paragraph, WIDTH)]
    if answer.outcome != "answered":
        lines.insert(0, f"{answer.outcome.capitalize()} ({answer.reason})")
    lines += wrap(left_open(answer.question, answer.unanswered).strip(), WIDTH)
    for citation in answer.citations:
        page = "" if citation.page is None else f", page {citation.page}"
        version = f"version {citation.version}" + (f" of {citation.updated_at[:10]}" if citation.updated_at else "")
        lines += ["", f"[{citation.marker}] {citation.title} ({citation.source}{page}, {version})"]
        lines += wrap(quoted(citation), WIDTH, initial_indent="    ", subsequent_indent="    ")
    if answer.nearest:
        lines += ["", "Closest passages:"]
        for near in answer.nearest:
            lines += [f"  - {near.title} ({near.source})", f"    {shorten(near.text, WIDTH, placeholder=' …') or '…'}"]
    seconds = answer.timings_ms["total"] / 1000
    lines += ["", f"— {answer.generator} ({answer.model}), {seconds:.1f} s, answer {answer.id}"]
    return "\n".join(lines)
