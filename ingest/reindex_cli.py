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
from core.settings import EmbedderSettings, Settings, load_settings
from core.settings_file import SettingsEdit, edit_settings
from ingest.chunk import chunker_spec
from ingest.rechunk import sizes_of
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
    new = _encoder(settings, _lasting(embedder) if embedder else settings.embedder.model)
    generation = build(database, settings, new, _progress)
    comparison = None
    if asked is not None:
        before = measure(database, old.id, _encoder(settings, old.embedder, old.revision), asked)
        comparison = Comparison(len(asked), before, measure(database, generation, new, asked))
    switched = force or (comparison is not None and comparison.good_enough)
    edit = _edit(settings, new.name, chunker_spec(settings.ingest)) if switched else None
    if switched:
        switch(database, settings, new, generation)
    return _result(generation, new.name, edit, comparison)


def _roll_back(database: Database, settings: Settings) -> dict[str, Any]:
    former = retired_generation(database)
    encoder = _encoder(settings, former.embedder, former.revision)
    edit = _edit(settings, former.embedder, former.chunker)
    switch(database, settings, encoder, former.id)
    return _result(former.id, former.embedder, edit, None)


def _lasting(embedder: str) -> str:
    """Return the name of an embedder as it holds in every folder: an existing path is made absolute."""
    path = Path(embedder).expanduser()
    return str(path.absolute()) if path.exists() else embedder


def _edit(settings: Settings, embedder: str, chunker: str) -> SettingsEdit:
    """Return the settings file with what differs of a generation, before it is switched to: a file that cannot be
    changed must not leave settings that refuse the next document."""
    chosen: dict[str, dict[str, Any]] = {"embedder": {"model": embedder}}
    if embedder != settings.embedder.model:
        chosen["embedder"]["revision"] = None  # the other one's
    sizes = {name: size for name, size in sizes_of(chunker).items() if getattr(settings.ingest, name) != size}
    return edit_settings(settings, chosen | ({"ingest": sizes} if sizes else {}))


def _result(generation: int, embedder: str, edit: SettingsEdit | None, comparison: Comparison | None) -> dict[str, Any]:
    """Write the settings of a generation that was switched to, and return what was done."""
    return {
        "generation": generation,
        "embedder": embedder,
        "switched": edit is not None,
        "settings": str(edit.write()) if edit else None,
        "overridden": list(edit.overridden) if edit else [],
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
        lines += [f"the environment overrides what was written: {name}" for name in result["overridden"]]
    elif result["comparison"] is None:
        lines.append("not switched: name questions to compare on (--questions FILE), or --force")
    else:
        lines.append("not switched: the new generation finds less; --force switches all the same")
    return "\n".join(lines)
