"""Keeping a collection in step with folders: what is gone is deleted, what moved keeps its id, a plan can be shown."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
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
from ingest.remote import Listed
from ingest.walk import Source, source_of

_NO_NAME = "//"
"""Before a source while another takes its name: no path that was resolved begins so, and no address."""


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


def vanished_objects(places: Sequence[Listed], files: Sequence[Source], known: Known) -> list[str]:
    """Return the sources below the listed folders of object stores whose object is gone."""
    present = {file.source for file in files}
    below = [s for s in known.sources() if s not in present and s.startswith(tuple(place.prefix for place in places))]
    below = [s for s in below if not any(h in present or known.holds(h) for h in holders_of(s))]
    return [s for s in below if any(s.startswith(place.prefix) and place.lacks(s) for place in places)]


def moves(gone: Sequence[str], files: Sequence[Source], known: Known) -> dict[str, str]:
    """Return old source → new source for files whose very bytes turned up under a new name.

    Of several with the same bytes each goes to the name most like its own: their readers may differ.
    """
    lost: dict[str, list[str]] = {}
    for source in gone:
        document = known.get(source)
        if document is not None and document.state == "live" and document.blob_sha256:
            lost.setdefault(document.blob_sha256, []).append(source)
    turned_up: dict[str, list[str]] = {}
    for file in files if lost else ():
        if _is_free(known, file.source):
            sha256 = _sha256(file.path)
            if sha256 in lost and not _was_deleted_by_hand(known, file.source, sha256):
                turned_up.setdefault(sha256, []).append(file.source)
    found: dict[str, str] = {}
    for sha256, names in turned_up.items():
        fewer, more = sorted((lost[sha256], names), key=len)
        for one in fewer:
            other = max(more, key=partial(_alike, one))
            more.remove(other)
            found |= {one: other} if more is names else {other: one}
    return found


def move_documents(database: Database, collection: str, moved: dict[str, str]) -> None:
    """Give documents, and what was found inside them, their new source; ids, versions and passages stay.

    One that had its title from its file's name, for want of another, is called by the new name. A tombstone that had
    the new name takes the old one, at which no file is.
    """
    with database.write() as session:
        for old, new in moved.items():
            buried = list(session.scalars(_at_or_inside(collection, new)))
            for document in buried:  # a name is one document's: they wait under one that no file has
                document.source = _NO_NAME + document.source
            session.flush()
            for document in session.scalars(_at_or_inside(collection, old)):
                if document.source == old and _titled_by_name(session, document):
                    document.title = PurePosixPath(new).stem
                document.source = new + document.source.removeprefix(old)
                document.updated_at = now()
            session.flush()
            for document in buried:
                document.source = old + document.source.removeprefix(_NO_NAME + new)


def _is_free(known: Known, source: str) -> bool:
    """Tell whether no document has a name, but for one that was deleted."""
    document = known.get(source)
    return document is None or document.state == "deleted"


def _was_deleted_by_hand(known: Known, source: str, sha256: str) -> bool:
    """Tell whether somebody deleted these very bytes under that name: they stay deleted."""
    document = known.get(source)
    return document is not None and document.deleted_by is not None and document.blob_sha256 == sha256


def _alike(old: str, new: str) -> int:
    """Return how many names two paths share at their ends and at their heads."""
    before, after = old.split("/"), new.split("/")
    ends = takewhile(lambda pair: pair[0] == pair[1], zip(reversed(before), reversed(after), strict=False))
    heads = takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))
    return sum(1 for _ in ends) + sum(1 for _ in heads)


def _at_or_inside(collection: str, source: str) -> Select[Document]:
    """Select the document of a source and those that were found inside it."""
    inside = Document.source.startswith(source + INSIDE, autoescape=True)
    return _in(collection).where((Document.source == source) | inside)


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
