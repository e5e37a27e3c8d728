"""`attest gaps`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.console import emit
from app.gaps import Gap, find_gaps
from app.runtime import open_runtime
from app.search_cli import AsJson
from core.settings import load_settings

cli = typer.Typer(add_completion=False)


@cli.command()
def gaps(
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many groups, the largest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Group the questions the documents could not answer: refused, weakly supported, or disliked."""
    with open_runtime(load_settings(), follow=False) as runtime:
        found = find_gaps(runtime, limit=limit)
    emit(
        {"gaps": [gap.to_json() for gap in found]},
        as_json=as_json,
        text=lambda: "\n".join(map(_line, found)) or "No gaps: every recorded question was answered well.",
    )


def _line(gap: Gap) -> str:
    why = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in gap.why.items())
    near = f"\n      closest: {', '.join(gap.nearest)}" if gap.nearest else ""
    others = "".join(f"\n      also: {question}" for question in gap.questions if question != gap.question)
    return f"{gap.count:>4}  {gap.question}  ({why}){others}{near}"
