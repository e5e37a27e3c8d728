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
    told = ((d["what"], d["recorded"], d["replayed"]) for d in result.differences)
    return "\n".join(f"{what}:\n  then {shown(then, now)}\n  now  {shown(now, then)}" for what, then, now in told)


def shown(value: object, other: object) -> str:
    """Return one side of a difference as a reader takes it in: of lists, what the other side lacks."""
    if isinstance(value, list) and isinstance(other, list):
        only = [item for item in value if item not in other]
        return "; ".join(" ".join(item) if isinstance(item, tuple) else str(item) for item in only) or "nothing else"
    return "none" if value is None else str(value)
