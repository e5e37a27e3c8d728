"""The two stores of a restore: the home's as it stands, and the backup's, brought up to date in the home."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.home_files import clear
from app.salvage import set_aside
from core.blobs import NO_BLOB
from core.db.models import Document, DocumentVersion, IngestRun, Purge
from core.db.session import Database
from core.db.transfer import Lasting, lasting, start_new_history
from core.errors import Busy, StoreDamaged
from core.home import make_home
from core.settings import Settings, Storage

STAGED = "restoring-"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a home's store holds that matters to the one that replaces it."""

    documents: bool
    blobs: set[str]
    ended: set[str]
    """Runs that are done."""
    lasting: Lasting


@dataclass(frozen=True, slots=True)
class Prepared:
    """A backup's store in the home, up to date and ready to take its place."""

    store: Path
    purged_again: int
    blobs: set[str]
    ended: set[str]


def open_or_set_aside(settings: Settings, force: bool) -> tuple[Database, Standing, list[str]]:
    """Open the home's store; where it is damaged beyond opening, `force` moves it aside and makes a new one."""
    try:
        return *_opened_home(settings), []
    except StoreDamaged as error:
        if settings.storage.database_url is not None:
            raise
        if not force:
            raise StoreDamaged(
                f"{error}; to set it aside and bring the backup back: attest restore DIR --force"
            ) from error
    notes = set_aside(settings, STAGED)
    return *_opened_home(settings), notes


def _opened_home(settings: Settings) -> tuple[Database, Standing]:
    database = Database.open(settings)
    try:
        with database.read() as session:
            documents = session.scalar(select(Document.key).limit(1)) is not None
            named = set(session.scalars(select(DocumentVersion.blob_sha256)))
            return database, Standing(documents, named - {NO_BLOB}, _ended(session), lasting(session))
    except BaseException:
        database.close()
        raise


def _blobs(session: Session) -> set[str]:
    """Return the files that a store needs, those of purged documents left out."""
    gone = select(Purge.document_id)
    wanted = select(DocumentVersion.blob_sha256).join(Document).where(Document.id.not_in(gone))
    return set(session.scalars(wanted)) - {NO_BLOB}


def _ended(session: Session) -> set[str]:
    """Return the runs whose files are in the store: theirs are not to be read again."""
    return set(session.scalars(select(IngestRun.id).where(IngestRun.state == "done")))


@contextmanager
def staged_store(settings: Settings, store: Path, before: Lasting) -> Iterator[Prepared]:
    """Yield a copy of the backup's store brought up to date."""
    staged = settings.home / f"{STAGED}{uuid4().hex}.db"
    try:
        staged.touch(mode=0o600)
        shutil.copyfile(store, staged)
        with opened_file(staged) as copy:
            again = start_new_history(copy, before)
            with copy.read() as session:
                prepared = Prepared(staged, again, _blobs(session), _ended(session))
        yield prepared
    finally:
        clear(unfinished_restores(settings))


def unfinished_restores(settings: Settings) -> list[Path]:
    """Return what a restore works on, or left behind when it was killed."""
    return sorted(settings.home.glob(f"{STAGED}*"))


@contextmanager
def restoring(settings: Settings) -> Iterator[None]:
    """Hold the one place of a restore in a home; what an earlier one left behind is removed.

    Raises:
        Busy: another process restores this home.
    """
    make_home(settings.home)
    with (settings.home / "restore.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy("another process restores this home") from error
        clear(unfinished_restores(settings))
        yield


@contextmanager
def opened_file(store: Path) -> Iterator[Database]:
    """Yield the store in a SQLite file of a backup."""
    url = f"sqlite:///{store}"
    database = Database.open(Settings(home=store.parent, storage=Storage(database_url=url)))  # type: ignore[arg-type]
    try:
        yield database
    finally:
        database.close()
