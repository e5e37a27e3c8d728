"""Backup and restore, while serving: one consistent copy of the store and the blobs it names.

A backup folder holds `store-<sha256>.db` (SQLite, whatever database the home uses), `blobs/`, `home/` (settings, what
was fitted, uploads that wait) and `manifest.json`, which is written last: a backup that was interrupted is the one
before it. Blobs are copied once, by hash.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import select

from app.home_files import copy_home_files, stage
from app.manifest import read_manifest, write_manifest
from app.restoring import STAGED, open_or_set_aside, opened_file, restoring, staged_store
from core.blobs import NO_BLOB, BlobStore, flush_folder, sha256_of
from core.db.models import Document, DocumentVersion
from core.db.session import Database
from core.db.transfer import copy_out, replace_with
from core.errors import Conflict, InvalidInput, StoreUnavailable
from core.failpoints import failpoint
from core.settings import Settings
from retriever.snapshot import drop_snapshots

HOME = "home"
"""The folder of a backup with what the home holds beside store and originals, by sha256."""
OURS = re.compile(r"store-([0-9a-f]{64}\.db|[0-9a-f]{32}\.unfinished)(-\w+)?")
"""Stores in a backup folder, an interrupted run's too; whatever else lies there is somebody else's."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup holds and what this run added to or took from the folder."""

    path: str
    documents: int
    blobs: int
    home_files: int
    copied: int
    removed: int
    bytes: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the object of `attest backup --json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was brought back; `purged_again` counts documents purged since the backup was made.

    `notes` say in words what an operator must know: what of the home stayed or was kept aside, what could not be read.
    """

    path: str
    documents: int
    blobs: int
    home_files: int
    purged_again: int
    seconds: float
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object of `attest restore --json`."""
        return asdict(self)


def backup(database: Database, settings: Settings, target: Path) -> BackupReport:
    """Copy the knowledge base to a folder, adding only what is new there.

    Raises:
        StoreUnavailable: the folder cannot be written, or a blob of the home is damaged.
        InvalidInput: the folder lies inside the home.
    """
    started = time.monotonic()
    target = target.resolve()
    if target.is_relative_to(settings.home):
        raise InvalidInput(f"{target} lies inside the home: a disk that dies would take both")
    with _disk_errors(f"cannot write the backup {target}"):
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = target / f"store-{uuid4().hex}.unfinished"
        try:
            home = copy_home_files(settings, BlobStore(target / HOME))
            documents, named, copied = _consistent_copy(database, settings, target, temporary)
            name = f"store-{_hash_file(temporary)}.db"
            temporary.replace(target / name)
            flush_folder(target)
            failpoint("backup.before_manifest")
            write_manifest(target, name, documents, named, home)
        finally:
            temporary.unlink(missing_ok=True)
        removed = _sweep(target, name, named, home)
        size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    seconds = round(time.monotonic() - started, 3)
    return BackupReport(str(target), documents, len(named), len(home), copied, removed, size, seconds)


def restore(settings: Settings, source: Path, *, force: bool = False) -> RestoreReport:
    """Replace the home's content by a backup's, after checking every file of it against its hash.

    The replacement is one transaction; indexes are built anew. Documents purged since the backup stay purged, and
    keys made or revoked since stay so. A store that is damaged beyond opening is set aside by `force`.

    Raises:
        InvalidInput: the folder holds no whole backup.
        Conflict: the home holds documents already and `force` is off.
        StoreDamaged: the home's store is damaged and `force` is off.
    """
    started = time.monotonic()
    source = source.resolve()
    manifest = read_manifest(source)
    blobs = BlobStore(source / "blobs")
    _verify(source, manifest, blobs)
    with restoring(settings):
        again, notes = _replace(settings, source, manifest, force)
    counts = manifest["documents"], len(manifest["blobs"]), len(manifest["home"])
    seconds = round(time.monotonic() - started, 3)
    return RestoreReport(str(settings.home), *counts, again, seconds, tuple(notes))


def _replace(settings: Settings, source: Path, manifest: dict[str, Any], force: bool) -> tuple[int, list[str]]:
    """Put the backup in the place of what the home holds; return how much was purged again, and notes."""
    from ingest.purge import finish_purges

    home, blobs = BlobStore(settings.blobs), BlobStore(source / "blobs")
    database, before, notes = open_or_set_aside(settings, force)
    try:
        if before.documents and not force:
            raise Conflict(f"{settings.home} holds documents already; to replace them: attest restore DIR --force")
        with staged_store(settings, source / manifest["store"], before.lasting) as staged:
            folder = settings.home / f"{STAGED}{uuid4().hex}"
            files = stage(manifest["home"], BlobStore(source / HOME), folder, before.ended | staged.ended)
            for name in staged.blobs:
                home.put(blobs.path(name))
            failpoint("restore.before_swap")
            replace_with(database, staged.store)
            failpoint("restore.after_swap")
            notes += files.put_in_force(settings, force=force)
        drop_snapshots(settings.indexes)
        for name in before.blobs - staged.blobs:
            home.delete(name)
        finish_purges(database, settings)
        return staged.purged_again, notes
    finally:
        database.close()


def _consistent_copy(
    database: Database, settings: Settings, target: Path, temporary: Path
) -> tuple[int, list[str], int]:
    """Copy the store, then the blobs it names; a blob purged in between means copying the store again."""
    home, there = BlobStore(settings.blobs), BlobStore(target / "blobs")
    for _ in range(3):
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600)
        copy_out(database, temporary)
        failpoint("backup.store_copied")
        with opened_file(temporary) as copy, copy.read() as session:
            documents = len(session.scalars(select(Document.key).where(Document.state == "live")).all())
            named = sorted(set(session.scalars(select(DocumentVersion.blob_sha256))) - {NO_BLOB})
        missing = [name for name in named if not there.exists(name)]
        gone = [name for name in missing if not home.exists(name)]
        if not gone:
            _copy_blobs(home, there, missing)
            return documents, named, len(missing)
    raise StoreUnavailable(f"blob {gone[0]} is missing from the home; run: attest doctor")


def _copy_blobs(home: BlobStore, there: BlobStore, names: Iterable[str]) -> None:
    for name in names:
        if there.put(home.path(name)) != name:
            there.delete(name)
            raise StoreUnavailable(f"blob {name} of the home is damaged; run: attest doctor")


def _sweep(target: Path, store: str, named: list[str], home: dict[str, str]) -> int:
    """Take out of the folder what the backup no longer names: older stores and files, blobs of purged documents."""
    for path in target.glob("store-*"):
        if OURS.fullmatch(path.name) and path.name != store:
            path.unlink(missing_ok=True)
    removed = 0
    for folder, kept in (("blobs", set(named)), (HOME, set(home.values()))):
        files = BlobStore(target / folder)
        removed += sum(files.delete(name) for name in set(files.names()) - kept)
    return removed


def _verify(source: Path, manifest: dict[str, Any], blobs: BlobStore) -> None:
    store = source / manifest["store"]
    if not store.is_file() or store.name != f"store-{_hash_file(store)}.db":
        raise InvalidInput(f"{store} is missing or damaged: this backup cannot be restored")
    files = BlobStore(source / HOME)
    bad = [blobs.path(name) for name in manifest["blobs"] if not blobs.verify(name)]
    bad += [files.path(name) for name in manifest["home"].values() if not files.verify(name)]
    if bad:
        raise InvalidInput(f"{len(bad)} files of the backup are missing or damaged, the first is {bad[0]}")


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return sha256_of(stream)


@contextmanager
def _disk_errors(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise StoreUnavailable(f"{what}: {where}{error.strerror or error}") from error
