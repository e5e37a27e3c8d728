"""One version of a document, for a principal that may read it: its text, its file, its pages."""

from __future__ import annotations

from sqlalchemy import select

from core.db.models import Document, DocumentVersion
from core.db.session import Database
from core.errors import NotFound
from core.types import Principal
from ingest.documents import visible


def readable_version(
    database: Database, principal: Principal, document_id: str, version: int | None = None
) -> DocumentVersion:
    """Return a version of a document with its document loaded; the newest without a number.

    Raises:
        NotFound: there is none, or the principal may not know of it.
    """
    query = (
        select(DocumentVersion)
        .join(DocumentVersion.document)
        .where(Document.id == document_id, visible(principal))
        .where(DocumentVersion.version == (Document.version if version is None else version))
    )
    with database.read() as session:
        found = session.scalar(query)
        if found is None:
            raise NotFound(f"no document {document_id}" + ("" if version is None else f", version {version}"))
        _ = found.document.title  # loaded now: the session ends here
        return found
