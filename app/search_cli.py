"""`attest search` and `attest explain`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from app.console import emit
from app.empty import note_where_empty
from app.runtime import Runtime, open_runtime
from app.schemas import QUESTION_CHARACTERS, holds_words
from app.search import explained, search_json
from core.db.access import principal_named
from core.db.grants import require_principal
from core.errors import InvalidInput
from core.settings import load_settings
from core.types import OPERATOR, Filters, Json, Principal, Query

DATES = {"after": "updated_after", "before": "updated_before", "as-of": "as_of"}
MOST_PASSAGES = 1000
TEXTS = {"source": "source_prefix", "type": "media_type"}

cli = typer.Typer(no_args_is_help=True, add_completion=False)


class ModeName(StrEnum):
    """Which indexes a search uses."""

    dense = "dense"
    lexical = "lexical"
    hybrid = "hybrid"


def asked(text: str) -> str:
    """Return a question or query as it is asked.

    Raises:
        BadParameter: it holds no word, or is longer than the REST API takes either.
    """
    try:
        text = holds_words(text)
    except ValueError as error:
        raise typer.BadParameter("there is no word in it") from error
    if len(text) > QUESTION_CHARACTERS:
        raise typer.BadParameter(f"it is longer than {QUESTION_CHARACTERS} characters")
    return text


Collection = Annotated[str | None, typer.Option("--collection", help="Search only this collection.")]
As = Annotated[
    str | None, typer.Option("--as", metavar="PRINCIPAL", help="See what user:ana, group:hr or public may see.")
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="FIELD=VALUE",
        help="Only documents with it; may be given again. FIELD: source (what it begins with), type (media type), "
        "after, before (dates of arrival), as-of (in force on that date), document (id), or a field of your own.",
    ),
]
InMode = Annotated[ModeName | None, typer.Option("--mode", help="Default: retrieval.mode.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@cli.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.", callback=asked)],
    k: Annotated[int, typer.Option("--k", min=1, max=MOST_PASSAGES, help="How many passages.")] = 10,
    mode: InMode = None,
    rerank: Annotated[bool | None, typer.Option("--rerank/--no-rerank", help="Default: retrieval.rerank.")] = None,
    collection: Collection = None,
    where: Where = None,
    as_: As = None,
    as_json: AsJson = False,
) -> None:
    """Find passages."""
    with open_runtime(load_settings(), follow=False) as runtime:
        retrieval = runtime.retriever.retrieve(
            Query(query),
            named_principal(runtime, as_),
            filters=filters_of(collection, where or ()),
            k=k,
            mode=None if mode is None else mode.value,
            rerank=rerank,
        )
        if not retrieval.hits:
            note_where_empty(runtime.database, runtime.settings)
    result = search_json(query, retrieval)
    emit(result, as_json=as_json, text=lambda: _hits_text(result))


@cli.command()
def explain(
    question: Annotated[str, typer.Argument(help="The question.", callback=asked)],
    document: Annotated[str, typer.Option("--document", help="The id or source of the document that was expected.")],
    k: Annotated[
        int | None, typer.Option("--k", min=1, max=MOST_PASSAGES, help="Of how many passages. Default: retrieval.k.")
    ] = None,
    mode: InMode = None,
    collection: Collection = None,
    where: Where = None,
    as_: As = None,
    as_json: AsJson = False,
) -> None:
    """Say where a document was lost for a question."""
    with open_runtime(load_settings(), follow=False) as runtime:
        principal = named_principal(runtime, as_)
        filters = filters_of(collection, where or ())
        result = explained(
            runtime, question, principal, document, filters, k=k, mode=None if mode is None else mode.value
        )
    emit(result, as_json=as_json, text=lambda: _explanation_text(result))


def filters_of(collection: str | None, where: Sequence[str]) -> Filters:
    """Return the filters that `FIELD=VALUE` options name.

    Raises:
        InvalidInput: one has no `=`, or its date is none.
    """
    values: dict[str, Any] = {}
    fields: dict[str, str] = {}
    documents: list[str] = []
    for option in where:
        name, equals, value = option.partition("=")
        if not (name and equals):
            raise InvalidInput(f"--where {option}: write FIELD=VALUE")
        if name in DATES:
            values[DATES[name]] = _date(option, value)
        elif name in TEXTS:
            values[TEXTS[name]] = value
        elif name == "document":
            documents.append(value)
        else:
            fields[name] = value
    return Filters(collection=collection, document_ids=tuple(documents) or None, metadata=fields, **values)


def _date(option: str, value: str) -> datetime:
    """Read a date or a moment; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise InvalidInput(f"--where {option}: write a date such as 2026-01-31") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


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
