"""`attest audit`: the record of answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from app.audit import ERASURE, list_records
from app.chain import verify_chain
from app.console import emit
from app.forget import forget
from app.search_cli import AsJson
from core.clock import now
from core.db.grants import require_principal
from core.db.session import Database
from core.errors import InvalidInput
from core.settings import load_settings
from core.types import Json

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Verify, list or shorten the record of answers.")


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


@cli.command("forget")
def forgotten(
    older_than_days: Annotated[
        int | None, typer.Option("--older-than-days", min=0, max=36500, help="What is older than so many days.")
    ] = None,
    principal: Annotated[
        str | None, typer.Option("--principal", metavar="user:NAME", help="What this one asked; else everybody.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Erase questions, answers, comments and unused conversations for good; hashes and the chain stay.

    Daily from cron it keeps questions for that many days. Backups made before still hold them.
    """
    if older_than_days is None and principal is None:
        raise InvalidInput("say what to forget: --older-than-days DAYS, --principal user:NAME, or both")
    if principal is not None:
        require_principal(principal)
    before = now() - timedelta(days=older_than_days or 0)
    done = forget(Database.open(load_settings()), before, principal)
    told = f"Forgot {done['answers']} answers and {done['conversations']} conversations from before {done['before']}."
    if done["kept"]:
        told += f" {done['kept']} of the answers were recorded by an earlier version, whose record keeps the question."
    emit(done, as_json=as_json, text=lambda: told)


def _named(broken: Json) -> str:
    """Return which record is meant, where it is one."""
    return "" if broken["seq"] is None else f"record {broken['seq']} (answer {broken['answer_id']}): "


def _line(record: Json) -> str:
    if "error" in record:
        return f"{record['id']}  record {record['seq']}: {record['error']}"
    begins = f"{record['id']}  {record['at']}  {record['principal']}  "
    if record["kind"] == ERASURE:
        whose = f" of {record['of']}" if record["of"] else ""
        return f"{begins}forgot    {record['answers']} answers{whose} from before {record['before']}"
    return f"{begins}{record['outcome']:<8}  {record['question'] or '(forgotten)'}"
