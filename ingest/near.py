"""Near-duplicates: sketches in bands find candidates, exact Jaccard over word triples decides."""

from __future__ import annotations

import base64
from typing import Any

from sqlalchemy import Select, bindparam, select

from core.db.models import Collection, Document, DocumentVersion
from core.db.session import Database
from ingest.sketch import Bands, jaccard, likeness, shingles

MAX_CANDIDATES = 50
MIN_LIKENESS = 0.2
"""How far below the threshold the sketches' estimate may lie: five standard deviations of 126 permutations."""


class NearDuplicates:
    """The live documents of a collection, to find which one a text nearly repeats."""

    def __init__(self, database: Database, collection: str, threshold: float) -> None:
        self._database, self._collection, self._threshold = database, collection, threshold
        self._bands: Bands | None = None
        self._texts = _current(collection, DocumentVersion.text).where(
            Document.key.in_(bindparam("keys", expanding=True))
        )

    def find(self, text: str, sketch: str, source: str) -> int | None:
        """Return the key of the document that a text with its sketch nearly repeats."""
        if not sketch:
            return None
        own = base64.b64decode(sketch)
        bands, least = self._loaded(), self._threshold - MIN_LIKENESS
        candidates = [key for key in bands.candidates(own) if likeness(own, bands.sketches[key]) >= least]
        return self._nearest(text, candidates[:MAX_CANDIDATES], source) if candidates else None

    def add(self, key: int, sketch: str) -> None:
        """Note a document that was just committed."""
        if sketch:
            self._loaded().add(key, base64.b64decode(sketch))

    def _nearest(self, text: str, candidates: list[int], source: str) -> int | None:
        own = shingles(text)
        best, best_key = self._threshold, None
        with self._database.read() as session:
            for key, other_source, other in session.execute(self._texts, {"keys": candidates}):
                similarity = jaccard(own, shingles(other)) if other_source != source else 0.0
                if similarity >= best and (best_key is None or similarity > best):
                    best, best_key = similarity, key
        return best_key

    def _loaded(self) -> Bands:
        """Return the bands, read from the sketches that versions carry in their report."""
        if self._bands is None:
            self._bands = Bands()
            with self._database.read() as session:
                for key, _, report in session.execute(_current(self._collection, DocumentVersion.report)):
                    if report.get("minhash"):
                        self._bands.add(key, base64.b64decode(report["minhash"]))
        return self._bands


def _current(collection: str, column: Any) -> Select[Any]:
    return (
        select(Document.key, Document.source, column)
        .join(DocumentVersion, DocumentVersion.document_key == Document.key)
        .join(Collection, Collection.id == Document.collection_id)
        .where(Collection.name == collection, Document.state == "live", Document.duplicate_of.is_(None))
        .where(Document.near_duplicate_of.is_(None), DocumentVersion.version == Document.version)
        .order_by(Document.key)
    )
