"""What a collection already holds, read once at the start of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from core.db.models import Collection, Document, DocumentAccess, DocumentVersion, IngestFailure
from core.db.session import Database
from ingest.places import holders_of
from ingest.terms import Terms

DELETED_BY = "deleted_by"
"""The attribute of a tombstone that a person made."""


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document as it stands in the store."""

    state: str
    blob_sha256: str
    text_sha256: str
    title: str
    allow: frozenset[str] | None
    attributes: dict[str, Any]
    effective_from: datetime | None
    expires_at: datetime | None
    deleted_by: str | None
    """Who deleted it by hand; `None` where it lives, or went because its file did."""

    def meets(self, terms: Terms) -> bool:
        """Tell whether it stands as asked already; what it is to supersede is looked up by whoever commits it."""
        return (
            (terms.allow is None or self.allow == frozenset(terms.allow))
            and (terms.effective_from is None or self.effective_from == terms.effective_from)
            and (terms.expires_at is None or self.expires_at == terms.expires_at)
            and terms.supersedes is None
        )


class Known:
    """The documents and failures of a collection by source; kept up to date by the run that reads it."""

    def __init__(self, database: Database, collection: str) -> None:
        query = (
            select(Document.source, Document.state, Document.key, Document.own_access, Document.title)
            .add_columns(DocumentVersion.blob_sha256, DocumentVersion.text_sha256, Document.attributes)
            .add_columns(DocumentVersion.effective_from, DocumentVersion.expires_at)
            .join(DocumentVersion, DocumentVersion.document_key == Document.key)
            .join(Collection, Collection.id == Document.collection_id)
            .where(Collection.name == collection, DocumentVersion.version == Document.version)
        )
        failed = select(IngestFailure).join(Collection, Collection.id == IngestFailure.collection_id)
        with database.read() as session:
            rows = session.execute(query).all()
            lists: dict[int, set[str]] = {row.key: set() for row in rows if row.own_access}
            if lists:
                for key, principal in session.execute(select(DocumentAccess.document_key, DocumentAccess.principal)):
                    if key in lists:
                        lists[key].add(principal)
            rows_failed = session.scalars(failed.where(Collection.name == collection)).all()
        self.failed = {row.source: row for row in rows_failed}
        self._documents = {
            row.source: KnownDocument(
                row.state,
                row.blob_sha256,
                row.text_sha256,
                row.title,
                frozenset(lists[row.key]) if row.own_access else None,
                row.attributes,
                row.effective_from,
                row.expires_at,
                row.attributes.get(DELETED_BY) if row.state == "deleted" else None,
            )
            for row in rows
        }
        self._texts = {known.text_sha256 for known in self._documents.values()}

    def get(self, source: str) -> KnownDocument | None:
        """Return what is known of a source."""
        return self._documents.get(source)

    def holds(self, source: str) -> bool:
        """Tell whether the collection has, or had, a document of that source."""
        return source in self._documents

    def holds_text(self, text_sha256: str) -> bool:
        """Tell whether some document has exactly this cleaned text."""
        return text_sha256 in self._texts

    def add_text(self, text_sha256: str) -> None:
        """Note a text that this run committed."""
        self._texts.add(text_sha256)

    def rename(self, moved: dict[str, str]) -> None:
        """Note that documents, and what lies in them, have a new source."""
        for source in list(self._documents) if moved else ():
            old = next((name for name in (source, *holders_of(source)) if name in moved), None)
            if old is not None:
                self._documents[moved[old] + source.removeprefix(old)] = self._documents.pop(source)

    def sources(self) -> list[str]:
        """Return the sources of every document that is not deleted."""
        return [source for source, known in self._documents.items() if known.state != "deleted"]
