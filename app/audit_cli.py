"""`attest audit`: the record of answers."""

from __future__ import annotations

from typing import Annotated

import typer

from app.audit import list_records
from app.chain import verify_chain
from app.console import emit
from app.search_cli import AsJson
from core.db.session import Database
from core.settings import load_settings
from core.types import Json

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Verify or list the record of answers.")


@cli.command()
def verify(
    expect: Annotated[str | None, typer.Option("--expect", metavar="HEAD", help="A head noted earlier.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every link of the chain; note the head elsewhere to notice a record cut off the end."""
    report = verify_chain(Database.open(load_settings()), expect)

    def text() -> str:
        lines = [f"{_named(row)}{row['why']}" for row in report.broken]
        state = "BROKEN" if lines else "The chain holds."
        return "\n".join([*lines, f"{report.rows} records, head {report.head}", state])

    emit(report.to_json(), as_json=as_json, text=text)
    raise typer.Exit(1 if report.broken else 0)


@cli.command("list")
def listed(
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 20, as_json: AsJson = False
) -> None:
    """List the latest records."""
    records = list_records(Database.open(load_settings()), limit)
    emit(
        {"records": records},
        as_json=as_json,
        text=lambda: "\n".join(map(_line, records)) or "No answers yet.",
    )


def _named(broken: Json) -> str:
    """Return which record is meant, where it is one."""
    return "" if broken["seq"] is None else f"record {broken['seq']} (answer {broken['answer_id']}): "


def _line(record: Json) -> str:
    if "error" in record:
        return f"{record['id']}  record {record['seq']}: {record['error']}"
    return f"{record['id']}  {record['at']}  {record['principal']}  {record['outcome']:<8}  {record['question']}"
