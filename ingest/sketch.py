"""Sketches of texts: MinHash signatures (rensa) over word triples, and the bands in which near texts meet.

Imports nothing of ours, for parsers make the sketches too.
"""

from __future__ import annotations

import base64
import re
from array import array
from collections.abc import Iterable
from operator import eq

PERMUTATIONS = 126
BANDS = 21
"""21 bands of 6: a pair at Jaccard 0.8 is missed once in 450, one at 0.5 is a candidate in 28 of 100."""
BAND_BYTES = PERMUTATIONS // BANDS * 4
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
    return set(map(" ".join, zip(*(words[at:] for at in range(SHINGLE_WORDS)), strict=False)))


def sketch_of(text: str) -> str:
    """Return a text's signature in base64, empty where the text is too short or too long to be compared."""
    if len(text) > MAX_CHARACTERS:
        return ""
    own = shingles(text)
    return base64.b64encode(signature(own)).decode("ascii") if len(own) >= MIN_SHINGLES else ""


def likeness(one: bytes, other: bytes) -> float:
    """Return the share of permutations in which two signatures agree, an estimate of the Jaccard similarity."""
    mine, theirs = array("I", one), array("I", other)
    return [*map(eq, mine, theirs)].count(True) / max(len(mine), 1)


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
        self.sketches: dict[int, bytes] = {}
        # Most bands belong to one document: two tables of numbers, not a list a band, which the collector would walk.
        self._first: dict[int, int] = {}
        self._others: dict[int, list[int]] = {}

    def add(self, key: int, sketch: bytes) -> None:
        """Note a signature under a key."""
        self.sketches[key] = sketch
        for band in bands_of(sketch):
            if self._first.setdefault(band, key) != key:
                self._others.setdefault(band, []).append(key)

    def candidates(self, sketch: bytes) -> list[int]:
        """Return the keys that share a band, oldest first."""
        shared = [band for band in bands_of(sketch) if band in self._first]
        found = {self._first[band] for band in shared}
        return sorted(found.union(*(self._others.get(band, ()) for band in shared)))


def bands_of(sketch: bytes) -> list[int]:
    """Return the hash of each band; the same numbers in another band are another hash."""
    return [hash(sketch[at : at + BAND_BYTES]) + at for at in range(0, len(sketch), BAND_BYTES)]
