"""`attest doctor|backup|restore|keys|access|groups`: the operator's commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from app import backup as backups
from app import keys as api_keys
from app.console import emit, note
from app.doctor import examine
from core.db import grants
from core.db.session import Database
from core.errors import InvalidInput
from core.settings import Settings, load_settings
from core.types import Json

cli = typer.Typer(no_args_is_help=True, add_completion=False)
keys = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")
access = typer.Typer(no_args_is_help=True, help="Say who may read what.")
groups = typer.Typer(no_args_is_help=True, help="Say who belongs to which group.")
cli.add_typer(keys, name="keys")
cli.add_typer(access, name="access")
cli.add_typer(groups, name="groups")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
CollectionOption = Annotated[str | None, typer.Option("--collection", "-c", help="The collection whose list it is.")]
DocumentOption = Annotated[str | None, typer.Option("--document", "-d", help="The document whose own list it is.")]
PrincipalArgument = Annotated[str, typer.Argument(help="public, user:NAME or group:NAME.")]


@cli.command()
def doctor(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False, as_json: AsJson = False
) -> None:
    """Check every store and say how to mend what is wrong."""
    results = examine(load_settings(), repair=repair)
    ok = all(result.ok for result in results)

    def text() -> str:
        lines = []
        for result in results:
            lines.append(f"{'ok ' if result.ok else 'BAD'}  {result.name:<14} {result.detail}")
            if result.fix:
                lines.append(f"     {'':<14} → {result.fix}")
        return "\n".join([*lines, "Everything is in order." if ok else "Something is wrong."])

    emit({"ok": ok, "checks": [result.to_json() for result in results]}, as_json=as_json, text=text)
    raise typer.Exit(0 if ok else 1)


@cli.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="A folder outside the home.")], as_json: AsJson = False
) -> None:
    """Copy the knowledge base to a folder, while it is in use; the next time only what is new."""
    with _store() as (settings, database):
        report = backups.backup(database, settings, target)
    emit(
        report.to_json(),
        as_json=as_json,
        text=lambda: (
            f"{report.documents} documents and {report.blobs} files ({report.copied} new, {report.removed} removed) "
            f"in {report.path}, {report.seconds:.1f} s"
        ),
    )


@cli.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A folder made by attest backup.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the documents the home holds.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring back a backup; documents purged since it was made stay purged, keys made or revoked since stay so."""
    report = backups.restore(load_settings(), source, force=force)
    for told in report.notes:
        note(f"attest: {told}")
    emit(
        report.to_json(),
        as_json=as_json,
        text=lambda: (
            f"{report.documents} documents and {report.blobs} files in {report.path}, "
            f"{report.purged_again} of them purged again, {report.seconds:.1f} s"
        ),
    )


@keys.command("create")
def create_key(
    principal: Annotated[str | None, typer.Argument(help="Whom the key acts for: user:NAME or group:NAME.")] = None,
    name: Annotated[str, typer.Option("--name", help="A word to know it by.")] = "",
    operator: Annotated[bool, typer.Option("--operator", help="The key may see and do everything.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, this once."""
    with _store() as (_, database), database.write() as session:
        made = api_keys.create_key(session, principal, name=name, operator=operator)
    note("This key is shown once and is not stored: keep it now.")
    value: Json = {"prefix": made.prefix, "key": made.token, "principal": made.principal, "operator": made.operator}
    emit(value, as_json=as_json, text=lambda: made.token)


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys, revoked ones too; never the keys themselves."""
    with _store() as (_, database), database.read() as session:
        rows = [
            {
                "prefix": key.prefix,
                "principal": key.principal,
                "operator": key.operator,
                "name": key.name,
                "created_at": key.created_at.isoformat(),
                "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
            }
            for key in api_keys.list_keys(session)
        ]

    def text() -> str:
        lines = [f"{r['prefix']}  {r['revoked_at'] or 'in force':<32}  {r['principal']}  {r['name']}" for r in rows]
        return "\n".join(lines or ["No keys: the server answers on the loopback interface only."])

    emit({"keys": rows}, as_json=as_json, text=text)


@keys.command("revoke")
def revoke_key(
    prefix: Annotated[str, typer.Argument(help="As `keys list` shows it.")], as_json: AsJson = False
) -> None:
    """End a key at once."""
    with _store() as (_, database), database.write() as session:
        api_keys.revoke_key(session, prefix)
    emit({"prefix": prefix, "revoked": True}, as_json=as_json, text=lambda: f"{prefix} is revoked")


@access.command("show")
def show_access(collection: CollectionOption = None, document: DocumentOption = None, as_json: AsJson = False) -> None:
    """Show the access list in force for a collection or a document."""
    with _store() as (_, database), database.read() as session:
        found = _in_force(session, collection, document)
    _show_list(collection, document, found, as_json)


@access.command("grant")
def grant_access(
    principal: PrincipalArgument,
    collection: CollectionOption = None,
    document: DocumentOption = None,
    as_json: AsJson = False,
) -> None:
    """Let a principal read; it is in force at once."""
    with _store() as (_, database), database.write() as session:
        if _one(collection, document):
            grants.grant_collection(session, str(collection), principal)
        else:
            grants.grant_document(session, str(document), principal)
        found = _in_force(session, collection, document)
    _show_list(collection, document, found, as_json)


@access.command("revoke")
def revoke_access(
    principal: PrincipalArgument,
    collection: CollectionOption = None,
    document: DocumentOption = None,
    as_json: AsJson = False,
) -> None:
    """Let a principal read no longer; it is in force at once."""
    with _store() as (_, database), database.write() as session:
        if _one(collection, document):
            grants.revoke_collection(session, str(collection), principal)
        else:
            grants.revoke_document(session, str(document), principal)
        found = _in_force(session, collection, document)
    _show_list(collection, document, found, as_json)


@access.command("inherit")
def inherit_access(document: Annotated[str, typer.Argument(help="A document's id.")], as_json: AsJson = False) -> None:
    """Drop a document's own list: its collection's is in force again."""
    with _store() as (_, database), database.write() as session:
        grants.set_document_access(session, document, None)
        found = grants.document_access(session, document)
    _show_list(None, document, found, as_json)


@groups.command("list")
def list_groups(as_json: AsJson = False) -> None:
    """List groups and their members."""
    with _store() as (_, database), database.read() as session:
        found = grants.members(session)

    def text() -> str:
        return "\n".join([f"{group}: {', '.join(users)}" for group, users in found.items()] or ["No groups."])

    emit({"groups": found}, as_json=as_json, text=text)


@groups.command("add")
def add_member(user: str, group: str, as_json: AsJson = False) -> None:
    """Make USER (user:NAME) a member of GROUP (group:NAME)."""
    with _store() as (_, database), database.write() as session:
        grants.add_member(session, user, group)
    emit({"user": user, "group": group, "member": True}, as_json=as_json, text=lambda: f"{user} is in {group}")


@groups.command("remove")
def remove_member(user: str, group: str, as_json: AsJson = False) -> None:
    """End a membership at once."""
    with _store() as (_, database), database.write() as session:
        grants.remove_member(session, user, group)
    emit({"user": user, "group": group, "member": False}, as_json=as_json, text=lambda: f"{user} is out of {group}")


@contextmanager
def _store() -> Iterator[tuple[Settings, Database]]:
    settings = load_settings()
    database = Database.open(settings)
    try:
        yield settings, database
    finally:
        database.close()


def _one(collection: str | None, document: str | None) -> bool:
    """Say whether it is about a collection; exactly one of the two must be named."""
    if (collection is None) == (document is None):
        raise InvalidInput("name either --collection or --document")
    return collection is not None


def _in_force(session: Session, collection: str | None, document: str | None) -> grants.AccessList:
    """Return the access list in force for the one of the two that is named."""
    if _one(collection, document):
        return grants.collection_access(session, str(collection))
    return grants.document_access(session, str(document))


def _show_list(collection: str | None, document: str | None, found: grants.AccessList, as_json: bool) -> None:
    value: Json = {"principals": list(found.principals), "inherited": found.inherited}
    value |= {"collection": collection, "own_lists": found.own_lists} if collection else {"document": document}
    names = ", ".join(found.principals) or "the operator alone"
    suffix = " (the collection's list)" if found.inherited else ""
    if found.own_lists:
        suffix = f"\ndocuments with lists of their own, which this one does not change: {found.own_lists}"
    emit(value, as_json=as_json, text=lambda: f"{collection or document}: {names}{suffix}")
