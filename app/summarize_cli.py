"""`attest summarize`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.ask_cli import GeneratorOption, answer_text
from app.console import emit
from app.runtime import open_runtime
from app.search_cli import As, AsJson, named_principal
from app.summarize import Subject
from app.summarize import summarize as summarize_subject
from core.settings import load_settings

cli = typer.Typer(add_completion=False)


@cli.command()
def summarize(
    document: Annotated[str | None, typer.Argument(metavar="[DOCUMENT]", help="The id of a document.")] = None,
    collection: Annotated[str | None, typer.Option("--collection", help="Summarise a whole collection.")] = None,
    sentences: Annotated[int, typer.Option("--sentences", min=1, max=40, help="How long at most.")] = 8,
    generator: Annotated[GeneratorOption, typer.Option("--generator", help="Who writes.")] = GeneratorOption.auto,
    as_: As = None,
    as_json: AsJson = False,
) -> None:
    """Summarise a document or a collection, every sentence cited and verified."""
    with open_runtime(load_settings(), follow=False) as runtime:
        subject = Subject(named_principal(runtime, as_), document_id=document, collection=collection)
        answer = summarize_subject(runtime, subject, generator=generator.value, sentences=sentences)
    emit(answer.to_json(), as_json=as_json, text=lambda: answer_text(answer))
