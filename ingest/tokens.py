"""How many tokens a text has, counted word by word: a corpus repeats its words, so most are tokenised once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

TokenSpans = Callable[[str], list[tuple[int, int]]]

MAX_WORDS = 400_000
WORDS_AT_ONCE = 4096
_WORD = re.compile(r"\S+")
_PIECE = re.compile(r"\w+|[^\w\s]")


class TokenCounter:
    """Counts an encoder's tokens; exact where the tokeniser splits at white space and punctuation first.

    Two tables: what stands between white space (`$12,345.67)`) and the pieces it is made of (`$`, `12`, `,`, …). New
    figures are put together from known pieces, so the tokeniser sees each piece once and each word is added up once.
    """

    def __init__(self, token_spans: TokenSpans) -> None:
        self._token_spans = token_spans
        self._words: dict[str, int] = {}
        self._pieces: dict[str, int] = {}

    @classmethod
    def of_file(cls, file: Path) -> TokenCounter:
        """Return a counter for the tokeniser that a `tokenizer.json` describes."""
        from tokenizers import Tokenizer

        whole = Tokenizer.from_file(str(file))
        whole.no_truncation()
        whole.no_padding()
        return cls(lambda text: list(whole.encode(text, add_special_tokens=False).offsets))

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        return self.counts((text,))[0]

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has."""
        parted = [text.split() for text in texts]
        self._learn(set().union(*parted))
        known = self._words.__getitem__
        return [sum(map(known, words)) for words in parted]

    def words(self, text: str, start: int, end: int) -> Iterator[tuple[re.Match[str], int]]:
        """Yield the words of a stretch of text with their tokens; a long one is never tokenised whole."""
        words = _WORD.finditer(text, start, end)
        while some := list(islice(words, WORDS_AT_ONCE)):
            self._learn({word[0] for word in some})
            for word in some:
                yield word, self._words[word[0]]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return the (start, end) of every token; those of one piece are evenly spaced over it."""
        self._learn_pieces(set(_PIECE.findall(text)))
        spans: list[tuple[int, int]] = []
        for piece in _PIECE.finditer(text):
            count = self._pieces[piece[0]]
            start, end = piece.span()
            width = (end - start) / max(count, 1)
            spans += [(start + int(n * width), start + int((n + 1) * width)) for n in range(count)]
        return spans

    def _learn(self, words: set[str]) -> None:
        if len(self._words) > MAX_WORDS:
            self._words.clear()
        new = words.difference(self._words)
        if not new:
            return
        parted = {word: _PIECE.findall(word) for word in new}
        self._learn_pieces(set().union(*parted.values()))
        known = self._pieces.__getitem__
        for word, pieces in parted.items():
            self._words[word] = sum(map(known, pieces))

    def _learn_pieces(self, pieces: set[str]) -> None:
        if len(self._pieces) > MAX_WORDS:
            self._pieces.clear()
        new = pieces.difference(self._pieces)
        if new:
            self._pieces.update(self._tokenised(new))

    def _tokenised(self, pieces: Iterable[str]) -> dict[str, int]:
        """Tokenise pieces, one a line, and return how many tokens each has."""
        ordered = sorted(pieces)
        ends, length = [], 0
        for piece in ordered:
            length += len(piece) + 1
            ends.append(length)
        counts = dict.fromkeys(ordered, 0)
        at = 0
        for start, _ in self._token_spans("\n".join(ordered)):
            while start >= ends[at]:
                at += 1
            counts[ordered[at]] += 1
        return counts
