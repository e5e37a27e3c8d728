"""`attest replay`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.console import emit
from app.replay import Replay
from app.replay import replay as replay_answer
from app.runtime import open_runtime
from app.search_cli import AsJson
from core.settings import load_settings

cli = typer.Typer(add_completion=False)


@cli.command()
def replay(
    answer_id: Annotated[str, typer.Argument(metavar="ANSWER_ID", help="The id of a recorded answer.")],
    as_json: AsJson = False,
) -> None:
    """Run a recorded answer again over what was in force then, and show what differs."""
    with open_runtime(load_settings(), follow=False) as runtime:
        result = replay_answer(runtime, answer_id)
    emit(result.to_json(), as_json=as_json, text=lambda: _text(result))


def _text(result: Replay) -> str:
    if not result.differences:
        return f"The same answer, at index {result.replayed.index_seq} (then {result.recorded_seq})."
    lines = [f"{d['what']}:\n  then {d['recorded']}\n  now  {d['replayed']}" for d in result.differences]
    return "\n".join(lines)
