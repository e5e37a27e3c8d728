"""`attest eval …`: measure the product on a question set, always in a throw-away home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure the product on a question set.")

RAIL_NAMES = (
    "toxicity",
    "prompt_injection",
    "indirect_injection",
    "harmful_requests",
    "pii",
    "groundedness",
    "domain",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Judge this many rows, spread evenly over the file.")]
ExistingFile = typer.Option(exists=True, dir_okay=False, readable=True)


@cli.command()
def retrieval(
    corpus: Annotated[Path, ExistingFile],
    queries: Annotated[Path, ExistingFile],
    qrels: Annotated[Path, ExistingFile],
    mode: Annotated[Literal["dense", "lexical", "hybrid"] | None, typer.Option(help="Default: the settings'.")] = None,
    rerank: Annotated[bool | None, typer.Option("--rerank/--no-rerank", help="Default: the settings'.")] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Measure search on a BEIR set: nDCG, recall, reciprocal rank, latency with query embedding."""
    from evals.retrieval import RetrievalOptions, measure_retrieval

    show(measure_retrieval(corpus, queries, qrels, RetrievalOptions(mode, rerank, limit)), as_json)


@cli.command()
def answers(
    questions: Annotated[Path, ExistingFile],
    docs: Annotated[list[Path] | None, typer.Option(help="A folder of documents; may be given again.")] = None,
    corpus: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Or a BEIR corpus.")] = None,
    limit: Limit = None,
    generator: Annotated[Literal["auto", "vllm", "embedded", "quote"], typer.Option()] = "auto",
    scope: Annotated[str | None, typer.Option(help="Search only the documents a row's field names.")] = None,
    details: Annotated[
        Path | None, typer.Option(help="Write every answer and its judgement here (JSON Lines).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure whole answers: correctness, citations, refusals, latency."""
    from evals.answers import AnswerOptions, Material, measure_answers

    if bool(docs) == bool(corpus):
        raise typer.BadParameter("give either --docs or --corpus")
    options = AnswerOptions(generator, limit, scope, details)
    show(measure_answers(Material(tuple(docs or ()), corpus), questions, options), as_json)


@cli.command()
def conversations(
    corpus: Annotated[Path, ExistingFile],
    conversations: Annotated[Path, ExistingFile],
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Measure follow-up questions: rewriting, search and refusal on the last turn of each conversation."""
    from evals.conversations import measure_conversations

    show(measure_conversations(corpus, conversations, limit), as_json)


@cli.command()
def rails(
    rail: Annotated[str, typer.Option(help=f"One of: {', '.join(RAIL_NAMES)}.")],
    data: Annotated[Path, ExistingFile],
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Measure one guardrail on labelled rows: precision, recall, F1, area under the curve, latency."""
    from evals.rails import measure_rail_on

    if rail not in RAIL_NAMES:
        raise typer.BadParameter(f"{rail!r} is none of {', '.join(RAIL_NAMES)}")
    show(measure_rail_on(rail, data, limit), as_json)


@cli.command()
def parse(
    manifest: Annotated[Path, ExistingFile],
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Measure parsing on a folder of real and hostile files, each with what is expected of it."""
    from evals.parse import measure_parsing

    show(measure_parsing(manifest, limit), as_json)


@cli.command()
def make(
    docs: Annotated[list[Path], typer.Option(exists=True, help="A folder of documents; may be given again.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The question set to write.")],
    count: Annotated[int, typer.Option(min=2, help="Questions, half of them without an answer.")] = 100,
    seed: int = 0,
    as_json: AsJson = False,
) -> None:
    """Build a question set from your own documents, to notice when answers get worse."""
    from evals.answers import Material
    from evals.make import make_set

    show(make_set(Material(tuple(docs)), out, count, seed), as_json)


def show(figures: dict[str, Any], as_json: bool) -> None:
    """Print figures as one JSON object, or as lines for a reader."""
    if as_json:
        print(json.dumps(figures, ensure_ascii=False))
        return
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {_readable(value)}")


def _readable(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)
