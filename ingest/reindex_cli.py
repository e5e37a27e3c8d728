"""`attest reindex`: change the embedder or the chunker of a store that is in use."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.db.models import Generation
from core.db.session import Database
from core.errors import Conflict
from core.settings import EmbedderSettings, Settings, load_settings, name_embedder
from ingest.reindex import build, retired_generation, switch
from ingest.reindex_compare import Comparison, measure, read_questions

if TYPE_CHECKING:
    from models.encoder import Encoder

cli = typer.Typer(add_completion=False)


@cli.command()
def reindex(
    embedder: Annotated[str | None, typer.Option(help="The new embedder: a package, a folder or a hub name.")] = None,
    questions: Annotated[
        Path | None, typer.Option(help="Questions with their documents (JSON Lines) to compare both generations on.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Switch whatever the comparison says.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Go back to the generation before.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Build a new generation beside the live one, compare both, and switch where it is no worse."""
    settings = load_settings()
    database = Database.open(settings)
    try:
        result = _roll_back(database, settings) if rollback else _go(database, settings, embedder, questions, force)
    finally:
        database.close()
    sys.stdout.write((json.dumps(result, ensure_ascii=False) if as_json else _text(result)) + "\n")
    raise typer.Exit(0 if result["switched"] or result["comparison"] is None else 1)


def _go(
    database: Database, settings: Settings, embedder: str | None, questions: Path | None, force: bool
) -> dict[str, Any]:
    asked = read_questions(questions) if questions is not None else None
    old = _live(database)
    new = _encoder(settings, embedder or settings.embedder.model)
    generation = build(database, settings, new, _progress)
    comparison = None
    if asked is not None:
        before = measure(database, old.id, _encoder(settings, old.embedder, old.revision), asked)
        comparison = Comparison(len(asked), before, measure(database, generation, new, asked))
    switched = force or (comparison is not None and comparison.good_enough)
    if switched:
        switch(database, settings, new, generation)
    return _result(settings, generation, new.name, switched, comparison)


def _roll_back(database: Database, settings: Settings) -> dict[str, Any]:
    former = retired_generation(database)
    encoder = _encoder(settings, former.embedder, former.revision)
    switch(database, settings, encoder, former.id)
    return _result(settings, former.id, former.embedder, True, None)


def _result(
    settings: Settings, generation: int, embedder: str, switched: bool, comparison: Comparison | None
) -> dict[str, Any]:
    written = name_embedder(settings, embedder) if switched else None
    return {
        "generation": generation,
        "embedder": embedder,
        "switched": switched,
        "settings": str(written) if written else None,
        "comparison": comparison.to_json() if comparison else None,
    }


def _live(database: Database) -> Generation:
    from core.db.generations import live_generation

    with database.read() as session:
        live = live_generation(session)
    if live is None:
        raise Conflict("nothing was ingested yet: set the embedder and ingest")
    return live


def _encoder(settings: Settings, name: str, revision: str | None = None) -> Encoder:
    from models.encoder import load_encoder

    same = name == settings.embedder.model
    chosen = settings.embedder if same else EmbedderSettings(model=name, device=settings.embedder.device)
    encoder = load_encoder(chosen)
    if revision is not None and encoder.revision != revision:
        raise Conflict(f"{name} is here in revision {encoder.revision}; the generation was made with {revision}")
    return encoder


def _progress(done: int, total: int) -> None:
    end = "\n" if done >= total else ""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done} of {total} versions{end}")
    else:
        sys.stderr.write(f"{done} of {total} versions\n")
    sys.stderr.flush()


def _text(result: dict[str, Any]) -> str:
    lines = [f"generation {result['generation']} of {result['embedder']} is built"]
    if result["comparison"] is not None:
        for name in ("old", "new"):
            side = result["comparison"][name]
            lines.append(f"{name} {side['embedder']}: hits@10 {side['hits_at_10']:.3f}, MRR@10 {side['mrr_at_10']:.3f}")
    if result["switched"]:
        lines.append(
            f"switched; embedder named in {result['settings']}. Running servers follow by themselves. Undo: --rollback"
        )
    elif result["comparison"] is None:
        lines.append("not switched: name questions to compare on (--questions FILE), or --force")
    else:
        lines.append("not switched: the new generation finds less; --force switches all the same")
    return "\n".join(lines)
