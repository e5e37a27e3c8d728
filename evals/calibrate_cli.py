"""`attest calibrate`: fit when to answer on the operator's own questions."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

cli = typer.Typer(add_completion=False, help="Fit when to answer on your own questions.")


@cli.command()
def calibrate(
    questions: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="JSON Lines with `question` and `answerable`.")
    ],
    docs: Annotated[list[Path] | None, typer.Option(help="Documents to ask instead of your own store.")] = None,
    corpus: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Or a BEIR corpus.")] = None,
    limit: Annotated[int | None, typer.Option(min=20, help="Use this many questions.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write here instead of the home, and change nothing.")] = None,
    rows: Annotated[Path | None, typer.Option(help="Also write each question's scores, to fit several sets.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Refit the threshold of refusing; write calibration.json, calibration-curve.json and .png."""
    from core.settings import load_settings
    from evals.answers import Material
    from evals.calibrate import TRUSTED, in_force, plot, summary
    from evals.calibrate import calibrate as fit_questions
    from evals.progress import require_folder
    from generation.calibration import FILE as NAME
    from generation.calibration import save_calibration

    require_folder(rows)
    settings = load_settings()
    material = Material(tuple(docs or ()), corpus) if docs or corpus else None
    fitted, scored = fit_questions(questions, settings=settings, material=material, limit=limit)
    if rows is not None:
        rows.write_text("".join(json.dumps(asdict(row)) + "\n" for row in scored), encoding="utf-8")
    accepted = settings.answers.accepted_wrong_per_hundred
    before = in_force(scored, settings.home, accepted)
    found = summary(fitted, accepted) | {"in_force_before": before}
    folder = out or settings.home
    save_calibration(fitted, folder / NAME)
    (folder / "calibration-curve.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    plot(fitted, accepted, folder / "calibration-curve.png")
    if as_json:
        typer.echo(json.dumps(found | {"folder": str(folder)}))
        return
    typer.echo(
        f"{found['questions']} questions. Accepting {accepted:g} wrong answers in a hundred, "
        f"{100 * found['coverage']:.0f} % are answered and {100 * found['accuracy']:.0f} % of the answers have one; "
        f"{100 * found['false_refusals']:.0f} % of what the documents hold is refused. Written to {folder}."
    )
    if before is not None:
        typer.echo(
            f"On the same questions the one in force until now refuses {100 * before['false_refusals']:.0f} % of "
            f"what the documents hold, and gives {before['wrong_per_hundred']:.1f} wrong answers in a hundred; "
            f"this one {found['wrong_per_hundred']:.1f}."
        )
    if found["threshold"] > 1:
        typer.echo("No threshold keeps to that, so every question is refused: see that the questions are marked right.")
    if found["questions"] < TRUSTED:
        typer.echo(f"So few questions may mislead: {TRUSTED} are enough to trust.")
    if out is None:
        typer.echo(f"Deleting {folder / NAME} brings back what Attest ships with.")
