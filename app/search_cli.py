"""`attest search` and `attest explain`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from app.console import emit
from app.runtime import Runtime, open_runtime
from app.schemas import QUESTION_CHARACTERS
from app.search import explain_json, search_json
from core.db.access import principal_named
from core.db.grants import require_principal
from core.settings import load_settings
from core.types import OPERATOR, Filters, Json, Principal, Query

cli = typer.Typer(no_args_is_help=True, add_completion=False)


class ModeName(StrEnum):
    """Which indexes a search uses."""

    dense = "dense"
    lexical = "lexical"
    hybrid = "hybrid"


def asked(text: str) -> str:
    """Return a question or query as it is asked.

    Raises:
        BadParameter: it is blank, or longer than the REST API takes either.
    """
    if not text.strip():
        raise typer.BadParameter("it is empty")
    if len(text) > QUESTION_CHARACTERS:
        raise typer.BadParameter(f"it is longer than {QUESTION_CHARACTERS} characters")
    return text.strip()


Collection = Annotated[str | None, typer.Option("--collection", help="Search only this collection.")]
As = Annotated[
    str | None, typer.Option("--as", metavar="PRINCIPAL", help="See what user:ana, group:hr or public may see.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@cli.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.", callback=asked)],
    k: Annotated[int, typer.Option("--k", min=1, max=1000, help="How many passages.")] = 10,
    mode: Annotated[ModeName | None, typer.Option("--mode", help="Default: retrieval.mode.")] = None,
    rerank: Annotated[bool | None, typer.Option("--rerank/--no-rerank", help="Default: retrieval.rerank.")] = None,
    collection: Collection = None,
    as_: As = None,
    as_json: AsJson = False,
) -> None:
    """Find passages."""
    with open_runtime(load_settings(), follow=False) as runtime:
        retrieval = runtime.retriever.retrieve(
            Query(query),
            named_principal(runtime, as_),
            filters=Filters(collection=collection),
            k=k,
            mode=None if mode is None else mode.value,
            rerank=rerank,
        )
    result = search_json(query, retrieval)
    emit(result, as_json=as_json, text=lambda: _hits_text(result))


@cli.command()
def explain(
    question: Annotated[str, typer.Argument(help="The question.", callback=asked)],
    document: Annotated[str, typer.Option("--document", help="The id of the document that was expected.")],
    as_: As = None,
    as_json: AsJson = False,
) -> None:
    """Say where a document was lost for a question."""
    with open_runtime(load_settings(), follow=False) as runtime:
        principal = named_principal(runtime, as_)
        result = explain_json(runtime.retriever.explain(Query(question), principal, document))
    emit(result, as_json=as_json, text=lambda: _explanation_text(result))


def named_principal(runtime: Runtime, name: str | None) -> Principal:
    """Return the principal of a name with its groups; the operator without one.

    Raises:
        InvalidInput: it is neither `public` nor `user:NAME` nor `group:NAME`.
    """
    if name is None:
        return OPERATOR
    with runtime.database.read() as session:
        return principal_named(session, require_principal(name))


def _hits_text(result: Json) -> str:
    if not result["hits"]:
        return "Nothing found."
    lines = []
    for hit in result["hits"]:
        page = "" if hit["page"] is None else f", page {hit['page']}"
        lines.append(f"{hit['rank']:>3}. {hit['score']:.3f}  {hit['title']} ({hit['source']}{page})")
        lines.append("       " + " ".join(hit["text"].split())[:240])
    return "\n".join(lines)


def _explanation_text(result: Json) -> str:
    ranks = ", ".join(f"{name} {rank}" for name, rank in result["ranks"].items() if rank is not None)
    return f"{result['stage']}: {result['detail']}" + (f"\nranks: {ranks}" if ranks else "")
