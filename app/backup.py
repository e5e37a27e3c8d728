"""Backup and restore, while serving: one consistent copy of the store and the blobs it names.

A backup folder holds `store-<sha256>.db` (SQLite, whatever database the home uses), `blobs/` and `manifest.json`,
which is written last: a backup that was interrupted is the one before it. Blobs are copied once, by hash.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import select

from app.manifest import read_manifest, write_manifest
from core.blobs import NO_BLOB, BlobStore, flush_folder, sha256_of
from core.clock import now
from core.db.models import Document, DocumentVersion, Purge
from core.db.session import Database
from core.db.transfer import Lasting, copy_out, lasting, replace_with, start_new_history
from core.errors import AttestError, Busy, Conflict, InvalidInput, StoreUnavailable
from core.failpoints import failpoint
from core.settings import Settings, Storage
from retriever.snapshot import drop_snapshots

STAGED = "restoring-"
OURS = re.compile(r"store-([0-9a-f]{64}\.db|[0-9a-f]{32}\.unfinished)(-\w+)?")
"""Stores in a backup folder, an interrupted run's too; whatever else lies there is somebody else's."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup holds and what this run added to or took from the folder."""

    path: str
    documents: int
    blobs: int
    copied: int
    removed: int
    bytes: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the object of `attest backup --json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was brought back; `purged_again` counts documents purged since the backup was made."""

    path: str
    documents: int
    blobs: int
    purged_again: int
    seconds: float

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
        target.mkdir(parents=True, exist_ok=True)
        temporary = target / f"store-{uuid4().hex}.unfinished"
        try:
            documents, named, copied = _consistent_copy(database, settings, target, temporary)
            name = f"store-{_hash_file(temporary)}.db"
            temporary.replace(target / name)
            flush_folder(target)
            failpoint("backup.before_manifest")
            write_manifest(target, name, documents, named)
        finally:
            temporary.unlink(missing_ok=True)
        removed = _sweep(target, name, named)
        size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    seconds = round(time.monotonic() - started, 3)
    return BackupReport(str(target), documents, len(named), copied, removed, size, seconds)


def restore(settings: Settings, source: Path, *, force: bool = False) -> RestoreReport:
    """Replace the home's content by a backup's, after checking every file of it against its hash.

    The replacement is one transaction; indexes are built anew. Documents purged since the backup stay purged, and
    keys made or revoked since stay so.

    Raises:
        InvalidInput: the folder holds no whole backup.
        Conflict: the home holds documents already and `force` is off.
    """
    started = time.monotonic()
    source = source.resolve()
    manifest = read_manifest(source)
    blobs = BlobStore(source / "blobs")
    _verify(source, manifest, blobs)
    with restoring(settings):
        again = _replace(settings, source, manifest, blobs, force)
    seconds = round(time.monotonic() - started, 3)
    return RestoreReport(str(settings.home), manifest["documents"], len(manifest["blobs"]), again, seconds)


def _replace(settings: Settings, source: Path, manifest: dict[str, Any], blobs: BlobStore, force: bool) -> int:
    from ingest.purge import finish_purges

    home = BlobStore(settings.blobs)
    database = _open_or_set_aside(settings, force)
    try:
        with database.read() as session:
            if session.scalar(select(Document.key).limit(1)) is not None and not force:
                raise Conflict(f"{settings.home} holds documents already; to replace them: attest restore DIR --force")
            replaced = set(session.scalars(select(DocumentVersion.blob_sha256))) - {NO_BLOB}
            before = lasting(session)
        with _staged(settings, source / manifest["store"], before) as (staged, again, named):
            for name in named:
                home.put(blobs.path(name))
            failpoint("restore.before_swap")
            replace_with(database, staged)
            failpoint("restore.after_swap")
        drop_snapshots(settings.indexes)
        for name in replaced - named:
            home.delete(name)
        finish_purges(database, settings)
        return again
    finally:
        database.close()


def _consistent_copy(
    database: Database, settings: Settings, target: Path, temporary: Path
) -> tuple[int, list[str], int]:
    """Copy the store, then the blobs it names; a blob purged in between means copying the store again."""
    home, there = BlobStore(settings.blobs), BlobStore(target / "blobs")
    for _ in range(3):
        temporary.unlink(missing_ok=True)
        copy_out(database, temporary)
        failpoint("backup.store_copied")
        with _opened(temporary) as copy, copy.read() as session:
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


def _sweep(target: Path, store: str, named: list[str]) -> int:
    """Take out of the folder what the backup no longer names: older stores, and the blobs of purged documents."""
    for path in target.glob("store-*"):
        if OURS.fullmatch(path.name) and path.name != store:
            path.unlink(missing_ok=True)
    blobs = BlobStore(target / "blobs")
    extra = set(blobs.names()) - set(named)
    return sum(blobs.delete(name) for name in extra)


def _verify(source: Path, manifest: dict[str, Any], blobs: BlobStore) -> None:
    store = source / manifest["store"]
    if not store.is_file() or store.name != f"store-{_hash_file(store)}.db":
        raise InvalidInput(f"{store} is missing or damaged: this backup cannot be restored")
    bad = [name for name in manifest["blobs"] if not blobs.verify(name)]
    if bad:
        raise InvalidInput(f"{len(bad)} files of the backup are missing or damaged, the first is {blobs.path(bad[0])}")


def _open_or_set_aside(settings: Settings, force: bool) -> Database:
    """Open the home's store; where it is damaged beyond opening, `force` moves it aside and makes a new one."""
    try:
        return Database.open(settings)
    except AttestError:
        if not force or settings.storage.database_url is not None:
            raise
    stamp = now().strftime("%Y%m%dT%H%M%S")
    for path in settings.home.glob("attest.db*"):
        path.rename(path.with_name(f"broken-{stamp}-{path.name}"))
    return Database.open(settings)


@contextmanager
def _staged(settings: Settings, store: Path, before: Lasting) -> Iterator[tuple[Path, int, set[str]]]:
    """Yield a copy of the backup's store brought up to date, how much was purged since, and the blobs it needs."""
    staged = settings.home / f"{STAGED}{uuid4().hex}.db"
    try:
        shutil.copyfile(store, staged)
        with _opened(staged) as copy:
            again = start_new_history(copy, before)
            with copy.read() as session:
                gone = select(Purge.document_id)
                wanted = select(DocumentVersion.blob_sha256).join(Document).where(Document.id.not_in(gone))
                named = set(session.scalars(wanted)) - {NO_BLOB}
        yield staged, again, named
    finally:
        for path in unfinished_restores(settings):
            path.unlink(missing_ok=True)


def unfinished_restores(settings: Settings) -> list[Path]:
    """Return what a restore works on, or left behind when it was killed."""
    return sorted(settings.home.glob(f"{STAGED}*"))


@contextmanager
def restoring(settings: Settings) -> Iterator[None]:
    """Hold the one place of a restore in a home; what an earlier one left behind is removed.

    Raises:
        Busy: another process restores this home.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "restore.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy("another process restores this home") from error
        for path in unfinished_restores(settings):
            path.unlink(missing_ok=True)
        yield


@contextmanager
def _opened(store: Path) -> Iterator[Database]:
    url = f"sqlite:///{store}"
    database = Database.open(Settings(home=store.parent, storage=Storage(database_url=url)))  # type: ignore[arg-type]
    try:
        yield database
    finally:
        database.close()


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return sha256_of(stream)


@contextmanager
def _disk_errors(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"{what}: {error.strerror or error}") from error
