"""Citations at their places on the page: boxes from the layout, quotes from the document itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, select

from core.db.models import Document, DocumentVersion
from core.db.prepared import Prepared
from core.db.session import Database
from core.types import Citation

VERSIONS = Prepared(
    select(DocumentVersion.text, DocumentVersion.pages, DocumentVersion.layout)
    .join(Document, Document.key == DocumentVersion.document_key)
    .where(Document.id == bindparam("document_id"), DocumentVersion.version == bindparam("number"))
)


class Locator:
    """Completes the citations of one answer, reading each version once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._versions: dict[tuple[str, int], Any] = {}

    def locate(self, citations: Iterable[Citation]) -> tuple[Citation, ...]:
        """Return the citations with boxes, page and the document's exact words.

        A citation whose version is gone since the search is left out: what was purged is not quoted.
        """
        return tuple(found for citation in citations if (found := self._one(citation)) is not None)

    def _one(self, citation: Citation) -> Citation | None:
        from generation.cite import boxes_for, page_at

        version = self._version(citation.document_id, citation.version)
        if version is None:
            return None
        # The words a retrieval rail blanked for the model are still the document's: quote the document.
        return replace(
            citation,
            quote=version.text[citation.start : citation.end],
            page=page_at(version.pages, citation.start) or citation.page,
            boxes=boxes_for(version.layout, citation.start, citation.end),
        )

    def _version(self, document_id: str, number: int) -> Any:
        """Return the text, pages and layout of a version, `None` where it is gone."""
        key = (document_id, number)
        if key not in self._versions:
            with self._database.read() as session:
                found = VERSIONS.rows(session, document_id=document_id, number=number)
            self._versions[key] = found[0] if found else None
        return self._versions[key]
