"""Keeping a collection in step with folders: what is gone is deleted, what moved keeps its id, a plan can be shown."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from core.clock import now
from core.db.models import Collection, Document
from core.db.session import Database
from core.errors import SourceUnavailable
from ingest.amend import current_version
from ingest.commit import collection_id_of, forget_failure
from ingest.containers import INSIDE
from ingest.known import Known
from ingest.places import holders_of, is_gone
from ingest.promote import remove_document
from ingest.walk import Source, source_of


def vanished(roots: Sequence[Path], files: Sequence[Source], known: Known, shut: Sequence[str] = ()) -> list[str]:
    """Return the sources below the folders whose file is gone; below a folder that is shut nothing is known to be.

    A file that is there and left out, for its name or as a link, is not gone. What lies in another goes with that.

    Raises:
        SourceUnavailable: a folder that documents came from is empty, as an unmounted share is.
    """
    present = {file.source for file in files}
    hidden = tuple(source for source in shut if source.endswith("/"))
    gone: list[str] = []
    for root in roots:
        prefix = f"{source_of(root)}/"
        below = [source for source in known.sources() if source.startswith(prefix)]
        below = [source for source in below if not source.startswith(hidden)]
        below = [s for s in below if not any(h in present or known.holds(h) for h in holders_of(s))]
        missing = [source for source in below if source not in present and _no_file(source)]
        if below and missing == below and not any(source.startswith(prefix) for source in present):
            raise SourceUnavailable(f"{root} is empty, but {len(below)} documents came from it; nothing was deleted")
        gone += missing
    return sorted(set(gone))


def moves(gone: Sequence[str], files: Sequence[Source], known: Known) -> dict[str, str]:
    """Return old source → new source for files whose very bytes turned up under a new name."""
    by_content: dict[str, str] = {}
    for source in gone:
        document = known.get(source)
        if document is not None and document.state == "live" and document.blob_sha256:
            by_content.setdefault(document.blob_sha256, source)
    found: dict[str, str] = {}
    for file in files if by_content else ():
        if not known.holds(file.source):
            old = by_content.pop(_sha256(file.path), None)
            if old is not None:
                found[old] = file.source
    return found


def move_documents(database: Database, collection: str, moved: dict[str, str]) -> None:
    """Give documents, and what was found inside them, their new source; ids, versions and passages stay.

    One that had its title from its file's name, for want of another, is called by the new name.
    """
    with database.write() as session:
        for old, new in moved.items():
            inside = Document.source.startswith(old + INSIDE, autoescape=True)
            query = _in(collection).where((Document.source == old) | inside)
            for document in session.scalars(query):
                if document.source == old and _titled_by_name(session, document):
                    document.title = PurePosixPath(new).stem
                document.source = new + document.source.removeprefix(old)
                document.updated_at = now()


def _titled_by_name(session: Session, document: Document) -> bool:
    """Tell whether a document's title is its file's name and not its first heading."""
    version = current_version(session, document)
    headed = version is not None and version.text.startswith(document.title)
    return document.title == PurePosixPath(document.source).stem and not headed


def delete_sources(database: Database, collection: str, sources: Sequence[str]) -> int:
    """Make the documents of some sources tombstones, each in a commit of its own; return how many there were."""
    deleted = 0
    for source in sources:
        with database.write() as session:
            document = session.scalar(_in(collection).where(Document.source == source, Document.state != "deleted"))
            if document is not None:
                deleted += remove_document(session, document)
    return deleted


def forget_opened(database: Database, collection: str, known: Known, shut: Sequence[str]) -> None:
    """Strike folders that could not be opened once from the list of failures, where they can be now or are gone."""
    opened = [source for source in known.failed if source.startswith("/") and source.endswith("/")]
    opened = [source for source in opened if source not in shut and (_opens(source) or not os.path.lexists(source))]
    if opened:
        with database.write() as session:
            for source in opened:
                forget_failure(session, collection_id_of(session, collection), source)


def _no_file(source: str) -> bool:
    """Tell whether there is surely no file of that name; a folder may have taken it."""
    return is_gone(source) or os.path.isdir(source)


def _opens(folder: str) -> bool:
    try:
        os.scandir(folder).close()
    except OSError:
        return False
    return True


def _in(collection: str) -> Select[Document]:
    return (
        select(Document).join(Collection, Collection.id == Document.collection_id).where(Collection.name == collection)
    )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
