"""`attest tune …` with the search over settings, which needs the measurements and therefore lives beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tuning.cli import cli

__all__ = ["cli"]


@cli.command("search")
def tune_search(
    questions: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="JSON Lines with `question` and `evidence`.")
    ],
    docs: Annotated[list[Path] | None, typer.Option(help="Documents to ask instead of your own store.")] = None,
    corpus: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Or a BEIR corpus.")] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, those of an earlier run included.")] = 40,
    limit: Annotated[int | None, typer.Option(min=5, help="Use this many questions.")] = None,
    study: Annotated[str, typer.Option(help="The study's name; the same name goes on with it.")] = "search",
    write: Annotated[bool, typer.Option("--write/--no-write", help="Write the winner into attest.toml.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Search over the settings of retrieval on your own questions; writes the winner, frontier.json and .png.

    With documents given, how they are cut is searched too; without, your store stays as it is cut.
    """
    from core.errors import InvalidSetting
    from core.settings import load_settings
    from core.settings_file import edit_settings
    from evals.answers import Material
    from evals.search import SearchOptions, search_settings
    from evals.search_plot import plot

    settings = load_settings()
    if docs and corpus:
        raise typer.BadParameter("give either --docs or --corpus")
    if write:  # a file that this cannot change is told of before the work
        edit_settings(settings, {"retrieval": {"k": settings.retrieval.k}})
    material = Material(tuple(docs or ()), corpus) if docs or corpus else None
    options = SearchOptions(questions, material, trials, limit, study)
    found = search_settings(options, settings)
    folder = settings.trials
    (folder / f"{study}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    plot(found, folder / f"{study}.png")
    edit = edit_settings(settings, found["winner"]["settings"]) if write else None
    try:
        path = edit.write() if edit else None
    except OSError as error:
        values = json.dumps(found["winner"]["settings"])
        raise InvalidSetting(f"write by hand what was found: {values}; it cannot be written: {error}") from error
    overridden = list(edit.overridden) if edit else []
    if as_json:
        written = {"written": str(path) if path else None, "overridden": overridden}
        typer.echo(json.dumps(found | {"folder": str(folder)} | written))
        return
    before, best = found["in_force"], found["winner"]
    now = "now" if found["in_force_exactly"] else "with the settings nearest to yours that are tried"
    typer.echo(
        f"{found['trials']} trials on {found['questions']} questions. Quality {before['quality']:.3f} {now}, "
        f"{best['quality']:.3f} with {json.dumps(best['settings'])} ({best['p50_ms']:.0f} ms, "
        f"{best['tokens']:.0f} tokens of evidence). Report and plot in {folder}."
    )
    if path:
        typer.echo(f"Written to {path}.")
    if overridden:
        typer.echo(f"Not in force yet: {', '.join(overridden)} of the environment says otherwise; unset it.")
    if "ingest" in best["settings"]:
        typer.echo("Documents are cut anew by: attest reindex. Then fit when to answer: attest calibrate.")
