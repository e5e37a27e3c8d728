"""Search by words: a tantivy index with BM25, one field a language, and exact identifiers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import StoreUnavailable
from core.words import without_marks
from retriever.analysis import analyzer, analyzer_name, analyzer_names, named_in
from retriever.permitted import Permitted

IDENTIFIER_BOOST = 1.0
WRITER_HEAP_BYTES = 64_000_000
FILTER_SHARE = 0.03
"""Below this share of permitted chunks the permission goes into the query; above it, over-fetching is cheaper."""

QUERIES = 64
"""Queries kept built: those of the searches that run at the same time."""
FEW_VALUES = 1000
"""Up to so many values are looked up one by one; more in one walk through all values of the field."""


@dataclass(frozen=True, slots=True)
class LexicalEntry:
    """What is indexed of a chunk; `text` is heading and passage."""

    chunk_id: int
    version_key: int
    language: str | None
    text: str
    name: str = ""
    """What its document is called, as `name_of` gives it."""


@dataclass(frozen=True, slots=True)
class Words:
    """What is looked for: a text, and texts said earlier whose other words count as much as their weight says."""

    text: str
    earlier: tuple[tuple[str, float], ...] = ()

    def terms(self, analyzer_name: str) -> dict[str, float]:
        """Return the terms under an analyzer, weighted by their count in the text, else as an earlier text is."""
        analyze = analyzer(analyzer_name).analyze
        weights: dict[str, float] = dict(Counter(analyze(without_marks(self.text))))
        for text, weight in self.earlier:
            for term in dict.fromkeys(analyze(without_marks(text))):
                weights.setdefault(term, weight)
        return weights


@dataclass(frozen=True, slots=True)
class LexicalHits:
    """Chunk ids and BM25 scores, best first."""

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]

    @classmethod
    def none(cls) -> LexicalHits:
        """Return no hits."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))


class LexicalIndex:
    """A tantivy index in a folder of its own; one writer, any number of readers.

    Changing it raises `StoreUnavailable` where its files cannot be written. What was staged is lost then, and what was
    committed is still found; the next change opens a new writer.
    """

    def __init__(self, folder: Path) -> None:
        import tantivy

        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._schema = _schema()
        with _failing_as_ours():
            self._index = tantivy.Index(self._schema, path=str(folder))
            self._searcher: Any = self._index.searcher()
        for name in (*analyzer_names(), "identifier", "name"):
            self._index.register_tokenizer(name, analyzer(name))
        self._lock = threading.Lock()
        self._writer: Any = None
        self._languages = self._languages_present()
        self._built = lru_cache(maxsize=QUERIES)(self._build)

    @property
    def count(self) -> int:
        """How many chunks can be found."""
        return int(self._searcher.num_docs)

    def add(self, entries: Iterable[LexicalEntry]) -> None:
        """Stage chunks; they are found after `commit`."""
        documents = [_document(entry) for entry in entries]
        with self._writing():
            self._open_writer()
            for document in documents:
                self._writer.add_document(document)

    def remove(self, chunk_ids: Sequence[int]) -> None:
        """Stage the removal of chunks; they are gone after `commit`."""
        import tantivy

        if not chunk_ids:
            return
        query = tantivy.Query.term_set_query(self._schema, "chunk", list(chunk_ids))
        with self._writing():
            self._open_writer()
            self._writer.delete_documents_by_query(query)

    def commit(self) -> None:
        """Make staged changes durable in the folder and visible."""
        with self._writing():
            if self._writer is None:
                return
            self._writer.commit()
            self._index.reload()
            self._searcher = self._index.searcher()
            self._languages = self._languages_present()

    def settle(self) -> None:
        """Finish merging, so that the folder's files stay as they are until the next change."""
        with self._writing():
            if self._writer is not None:
                self._writer.wait_merging_threads()
                self._writer = None

    def close(self) -> None:
        """Let the folder go, whether or not the last merge could be written: nobody reads it any more."""
        with suppress(StoreUnavailable):
            self.settle()

    def search(self, words: Words, n: int, permitted: Permitted, share: float) -> LexicalHits:
        """Return the best `n` permitted chunks; `share` is the permitted part of all chunks, in [0, 1]."""
        query = self._query(words)
        if query is None or n <= 0:
            return LexicalHits.none()
        if share < FILTER_SHARE:
            return self._top(self._restricted(query, "version", permitted.versions.tolist()), n)
        return self._over_fetch(query, n, permitted)

    def score(self, words: Words, chunk_ids: Sequence[int]) -> dict[int, float]:
        """Return the BM25 score of those chunks that hold a term of the query."""
        query = self._query(words)
        if query is None or not chunk_ids:
            return {}
        found = self._top(self._restricted(query, "chunk", list(chunk_ids)), len(chunk_ids))
        return dict(zip(found.ids.tolist(), found.scores.tolist(), strict=True))

    def score_names(self, words: Words, chunk_ids: Sequence[int]) -> dict[int, float]:
        """Return how rare the parts of a name are that the question and the chunk's document share, summed.

        A part of ln 2 is had by half of all chunks. At least one part must be a word.
        """
        from tantivy import Occur, Query

        clauses = []
        for term in named_in(words.text):
            known = self._searcher.doc_freq("name", term)
            if known:
                rarity = log(1 + (self.count - known + 0.5) / (known + 0.5))
                clause = Query.term_query(self._schema, "name", term, "basic")
                clauses.append((term, Query.const_score_query(clause, rarity)))
        spoken = [(Occur.Should, clause) for term, clause in clauses if not term.isdigit()]
        if not spoken or not chunk_ids:
            return {}
        numbers = [(Occur.Should, clause) for term, clause in clauses if term.isdigit()]
        query = Query.boolean_query([(Occur.Must, Query.boolean_query(spoken)), *numbers])
        found = self._top(self._restricted(query, "chunk", list(chunk_ids)), len(chunk_ids))
        return dict(zip(found.ids.tolist(), found.scores.tolist(), strict=True))

    def _over_fetch(self, query: Any, n: int, permitted: Permitted) -> LexicalHits:
        """Fetch more until `n` permitted chunks are seen or the matches are exhausted."""
        searcher, limit = self._searcher, n + n // 2 + 16
        total = max(1, searcher.num_docs)
        while True:
            found = searcher.search(query, limit, count=False).hits
            addresses = [address for _, address in found]
            versions = np.array(searcher.fast_field_values("version", addresses), dtype=np.int64)
            keep = np.flatnonzero(permitted.allows(versions))[:n]
            if len(keep) == n or len(found) < limit or limit >= total:
                chunks = searcher.fast_field_values("chunk", [addresses[at] for at in keep])
                return _hits(chunks, [found[at][0] for at in keep])
            limit = min(total, limit * 4)

    def _top(self, query: Any, n: int) -> LexicalHits:
        searcher = self._searcher
        found = searcher.search(query, n, count=False).hits
        return _hits(
            searcher.fast_field_values("chunk", [address for _, address in found]), [score for score, _ in found]
        )

    def _restricted(self, query: Any, field: str, values: list[int]) -> Any:
        from tantivy import Occur, Query

        if len(values) > FEW_VALUES:
            within = Query.term_set_query(self._schema, field, values)
        else:
            terms = (Query.term_query(self._schema, field, value, "basic") for value in values)
            within = Query.boolean_query([(Occur.Should, term) for term in terms])
        within = Query.const_score_query(within, 0.0)
        return Query.boolean_query([(Occur.Must, query), (Occur.Must, within)])

    def _query(self, words: Words) -> Any | None:
        """Return the weighted disjunction of a query's terms; one search asks for it two or three times."""
        return self._built(words, self._languages)

    def _build(self, words: Words, languages: tuple[str, ...]) -> Any | None:
        """Build the weighted disjunction of the terms of a query over the fields that hold anything."""
        from tantivy import Occur, Query

        clauses = []
        for name in (*languages, "identifier"):
            boost = IDENTIFIER_BOOST if name == "identifier" else 1.0
            for term, weight in words.terms(name).items():
                clause = Query.term_query(self._schema, name, term, "freq")
                clauses.append((Occur.Should, Query.boost_query(clause, boost * weight)))
        return Query.boolean_query(clauses) if clauses else None

    def _languages_present(self) -> tuple[str, ...]:
        searcher = self._searcher
        return tuple(name for name in analyzer_names() if searcher.doc_freq("language", name) > 0)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the writer; one that failed is dropped, because tantivy's takes nothing more once its thread has died.

        No other name may keep it: a dropped writer holds the folder's lock as long as anything refers to it.
        """
        with self._lock, _failing_as_ours():
            try:
                yield
            except ValueError:
                self._writer = None
                raise

    def _open_writer(self) -> None:
        if self._writer is None:
            self._writer = self._index.writer(WRITER_HEAP_BYTES, 1)


@contextmanager
def _failing_as_ours() -> Iterator[None]:
    """Raise as our own error the ValueError as which tantivy reports every failure of its files."""
    try:
        yield
    except ValueError as error:
        raise StoreUnavailable(f"the word index cannot be written: {error}") from error


def _schema() -> Any:
    from tantivy import SchemaBuilder

    builder = SchemaBuilder()
    builder.add_unsigned_field("chunk", indexed=True, fast=True)
    builder.add_unsigned_field("version", indexed=True, fast=True)
    builder.add_text_field("language", tokenizer_name="raw", index_option="basic")
    for name in (*analyzer_names(), "identifier", "name"):
        builder.add_text_field(name, tokenizer_name=name, index_option="freq")
    return builder.build()


def _document(entry: LexicalEntry) -> Any:
    from tantivy import Document

    name = analyzer_name(entry.language)
    document = Document()
    document.add_unsigned("chunk", entry.chunk_id)
    document.add_unsigned("version", entry.version_key)
    document.add_text("language", name)
    text = without_marks(entry.text)  # else folding makes 2501 of 250 with a note
    document.add_text(name, text)
    document.add_text("identifier", text)
    document.add_text("name", entry.name)
    return document


def _hits(ids: Sequence[Any], scores: Sequence[float]) -> LexicalHits:
    return LexicalHits(np.array(ids, dtype=np.int64), np.array(scores, dtype=np.float32))
