"""Token positions, counted word by word: a corpus repeats its words, so most are tokenised once."""

from __future__ import annotations

import re
from collections.abc import Callable

TokenSpans = Callable[[str], list[tuple[int, int]]]

MAX_WORDS = 200_000
_PIECE = re.compile(r"\w+|[^\w\s]")


class TokenCounter:
    """Gives the offsets of a text's tokens; exact where the tokeniser splits at white space and punctuation first.

    Within a word of several tokens the offsets are evenly spaced.
    """

    def __init__(self, token_spans: TokenSpans) -> None:
        self._token_spans = token_spans
        self._counts: dict[str, int] = {}

    def __call__(self, text: str) -> list[tuple[int, int]]:
        """Return the (start, end) of every token."""
        words = set(_PIECE.findall(text))
        if len(self._counts) > MAX_WORDS:
            self._counts.clear()
        self._learn(words.difference(self._counts))
        counts = self._counts
        spans: list[tuple[int, int]] = []
        for piece in _PIECE.finditer(text):
            count = counts[piece[0]]
            if count == 1:
                spans.append(piece.span())
            else:
                start, end = piece.span()
                width = (end - start) / max(count, 1)
                spans += [(start + int(n * width), start + int((n + 1) * width)) for n in range(count)]
        return spans

    def _learn(self, words: set[str]) -> None:
        """Tokenise words, one a line, and note how many tokens each has."""
        if not words:
            return
        ordered = sorted(words)
        ends, length = [], 0
        for word in ordered:
            length += len(word) + 1
            ends.append(length)
            self._counts[word] = 0
        at = 0
        for start, _ in self._token_spans("\n".join(ordered)):
            while start >= ends[at]:
                at += 1
            self._counts[ordered[at]] += 1
