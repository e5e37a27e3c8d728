"""Near-duplicates: MinHash signatures (rensa) in bands find candidates, exact Jaccard over word triples decides."""

from __future__ import annotations

import base64
import re
from array import array
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, select

from core.db.models import Collection, Document, DocumentVersion
from core.db.session import Database

PERMUTATIONS = 126
BANDS = 21
"""21 bands of 6: a pair at Jaccard 0.8 is missed once in 450, one at 0.5 is a candidate in 28 of 100."""
SHINGLE_WORDS = 3
MIN_SHINGLES = 20
"""Shorter texts are near one another by accident."""
MAX_CHARACTERS = 4_000_000
"""Longer texts are logs and dumps: their triples would take 200 bytes a word. Exact copies are found all the same."""
SEED = 42

_WORD = re.compile(r"\w+")


def shingles(text: str) -> set[str]:
    """Return the word triples of a text, lower-cased, punctuation apart."""
    words = _WORD.findall(text.lower())
    return {" ".join(words[at : at + SHINGLE_WORDS]) for at in range(len(words) - SHINGLE_WORDS + 1)}


def jaccard(one: set[str], other: set[str]) -> float:
    """Return the size of the intersection over that of the union, 0 for empty sets."""
    union = len(one | other)
    return len(one & other) / union if union else 0.0


def signature(pieces: Iterable[str]) -> bytes:
    """Return the MinHash signature of shingles: `PERMUTATIONS` unsigned 32-bit numbers."""
    from rensa import RMinHash

    sketch = RMinHash(num_perm=PERMUTATIONS, seed=SEED)
    sketch.update(list(pieces))
    return array("I", sketch.digest()).tobytes()


class Bands:
    """Signatures by band: which keys share at least one band with a signature."""

    def __init__(self) -> None:
        self._width = PERMUTATIONS // BANDS * 4
        self._keys: dict[int, list[int]] = {}

    def add(self, key: int, sketch: bytes) -> None:
        """Note a signature under a key."""
        for band in self._hashes(sketch):
            self._keys.setdefault(band, []).append(key)

    def candidates(self, sketch: bytes) -> list[int]:
        """Return the keys that share a band, oldest first."""
        found = {key for band in self._hashes(sketch) for key in self._keys.get(band, ())}
        return sorted(found)

    def _hashes(self, sketch: bytes) -> list[int]:
        width = self._width
        return [hash((at, sketch[at : at + width])) for at in range(0, len(sketch), width)]


class NearDuplicates:
    """The live documents of a collection, to find which one a text nearly repeats."""

    def __init__(self, database: Database, collection: str, threshold: float) -> None:
        self._database, self._collection, self._threshold = database, collection, threshold
        self._bands: Bands | None = None

    def find(self, text: str, source: str) -> tuple[str, int | None]:
        """Return a text's signature and the key of the document it repeats.

        The signature is base64; it is empty where the text is too short or too long to be compared.
        """
        if len(text) > MAX_CHARACTERS:
            return "", None
        own = shingles(text)
        if len(own) < MIN_SHINGLES:
            return "", None
        sketch = signature(own)
        candidates = self._loaded().candidates(sketch)
        return base64.b64encode(sketch).decode("ascii"), self._nearest(own, candidates, source)

    def add(self, key: int, encoded: str) -> None:
        """Note a document that was just committed."""
        if encoded:
            self._loaded().add(key, base64.b64decode(encoded))

    def _nearest(self, own: set[str], candidates: list[int], source: str) -> int | None:
        if not candidates:
            return None
        query = _current(self._collection).add_columns(DocumentVersion.text).where(Document.key.in_(candidates[:50]))
        best, best_key = self._threshold, None
        with self._database.read() as session:
            for key, other_source, _, text in session.execute(query.order_by(Document.key)):
                similarity = jaccard(own, shingles(text)) if other_source != source else 0.0
                if similarity >= best and (best_key is None or similarity > best):
                    best, best_key = similarity, key
        return best_key

    def _loaded(self) -> Bands:
        """Return the bands, read from the signatures that versions carry in their report."""
        if self._bands is None:
            self._bands = Bands()
            with self._database.read() as session:
                for key, _, report in session.execute(_current(self._collection)):
                    if report.get("minhash"):
                        self._bands.add(key, base64.b64decode(report["minhash"]))
        return self._bands


def _current(collection: str) -> Select[int, str, dict[str, Any]]:
    return (
        select(Document.key, Document.source, DocumentVersion.report)
        .join(DocumentVersion, DocumentVersion.document_key == Document.key)
        .join(Collection, Collection.id == Document.collection_id)
        .where(Collection.name == collection, Document.state == "live", Document.duplicate_of.is_(None))
        .where(Document.near_duplicate_of.is_(None), DocumentVersion.version == Document.version)
    )
