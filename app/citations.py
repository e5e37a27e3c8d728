"""Citations at their places on the page: boxes from the layout, quotes from the document itself, past the rails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, select

from app.gate import Gate
from app.runtime import Runtime
from app.trace import Trace
from core.db.models import Document, DocumentVersion
from core.db.prepared import Prepared
from core.types import Citation

VERSIONS = Prepared(
    select(DocumentVersion.text, DocumentVersion.pages, DocumentVersion.layout)
    .join(Document, Document.key == DocumentVersion.document_key)
    .where(Document.id == bindparam("document_id"), DocumentVersion.version == bindparam("number"))
)


class Locator:
    """Completes the citations of one answer, reading each version once."""

    def __init__(self, runtime: Runtime, trace: Trace) -> None:
        self._database = runtime.database
        self._trace = trace
        self._gate = Gate(runtime.rails, trace.evidence, trace.question.filters.collection)
        self._versions: dict[tuple[str, int], Any] = {}

    def locate(self, citations: Iterable[Citation]) -> tuple[Citation, ...]:
        """Return the citations with boxes, page and the document's exact words.

        A citation whose version is gone since the search is left out: what was purged is not quoted. What the output
        rails would take out of an answer is not quoted either: the citation narrows to a part without it.
        """
        read = [(citation, self._version(citation.document_id, citation.version)) for citation in citations]
        found = [(citation, version) for citation, version in read if version is not None]
        # The words a retrieval rail blanked for the model are still the document's: quote the document.
        parts, said = self._gate.quotable([version.text[c.start : c.end] for c, version in found])
        self._trace.judged(said)
        return tuple(_placed(*one, *part) for one, part in zip(found, parts, strict=True))

    def _version(self, document_id: str, number: int) -> Any:
        """Return the text, pages and layout of a version, `None` where it is gone."""
        key = (document_id, number)
        if key not in self._versions:
            with self._database.read() as session:
                found = VERSIONS.rows(session, document_id=document_id, number=number)
            self._versions[key] = found[0] if found else None
        return self._versions[key]


def _placed(citation: Citation, version: Any, first: int, last: int) -> Citation:
    """Return a citation of the part of its quote from `first` to `last`."""
    from generation.cite import boxes_for, page_at

    start, end = citation.start + first, citation.start + last
    return replace(
        citation,
        start=start,
        end=end,
        quote=version.text[start:end],
        page=page_at(version.pages, start) or citation.page,
        boxes=boxes_for(version.layout, start, end) if start < end else (),
    )
