"""The leak machine: one store and its model, led through random edits and asked after each."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
from sqlalchemy import select

from bench.leaks_model import COLLECTIONS, EVERYTHING, GROUPS, NAMES, SOURCES, USERS, VOCABULARY, K, Leak, Model
from bench.victim import WordEncoder
from core.db import grants
from core.db.access import NO_FILTERS, principal_named
from core.db.models import ChunkRow, Document, DocumentVersion, EmbeddingRow
from core.db.session import Database
from core.errors import NotFound
from core.settings import Settings
from core.types import OPERATOR, Filters, Principal, Query, Retrieval
from ingest.documents import delete_document, document_text, list_documents, show_document
from ingest.report import IngestOptions, TextRecord
from ingest.run import ingest_texts
from retriever.retriever import Retriever


class Machine:
    """One store, its model, and the random life both lead."""

    def __init__(self, settings: Settings, draw: random.Random) -> None:
        shallow = settings.retrieval.model_copy(update={"candidates": 1})  # so that filtering after ranking shows
        self.settings, self.draw = settings.model_copy(update={"retrieval": shallow}), draw
        self.database = Database.open(settings)
        self.encoder = WordEncoder(32)
        self.retriever = Retriever.open(self.database, self.settings, self.encoder, follow=False)  # type: ignore[arg-type]
        self.model = Model()
        self.history: list[str] = []
        self.queries = 0
        self.checked: Counter[str] = Counter()

    @property
    def fallen_back(self) -> int:
        """How many searches the chosen backend left to another."""
        return int(getattr(self.retriever._dense, "faults", 0))

    def close(self) -> None:
        """Release the store."""
        self.retriever.close()
        self.database.close()

    def edit(self) -> None:
        """Change one thing, in the store and in the model."""
        kind = self.draw.choice(
            ["put", "put", "put", "delete", "share", "share", "collection", "collection", "member", "inherit"]
        )
        self.put() if kind == "put" else getattr(self, f"_{kind}")()

    def put(self) -> None:
        """Add a document, change it, or write the same again."""
        collection, source = self.draw.choice(COLLECTIONS), self.draw.choice(SOURCES)
        others = [text for text, _ in self.model.documents.values()]
        text = " ".join(self.draw.choices(VOCABULARY, k=8)) + f" {self.draw.randrange(10**6)}."
        if others and self.draw.random() < 0.5:
            text = self.draw.choice(others)
        allow = frozenset(self.draw.sample(NAMES, self.draw.randint(0, 2))) if self.draw.random() < 0.6 else None
        record = TextRecord(
            source, text, title=f"{source} of {collection}", allow=None if allow is None else tuple(allow)
        )
        ingest_texts(
            [record],
            IngestOptions(collection=collection),
            database=self.database,
            settings=self.settings,
            encoder=self.encoder,  # type: ignore[arg-type]
        )
        before = self.model.documents.get((collection, source))
        if before is not None and before[0] == text and allow is not None:
            self._set_list(collection, source, allow)  # unchanged text: ingestion leaves the list to `access`
        kept = before[1] if before is not None and allow is None else allow
        self.model.documents[collection, source] = (text, kept)
        self.model.lists.setdefault(collection, set())
        self._note(f"put {collection}{source} {text[-8:]} {kept and sorted(kept)}")

    def _delete(self) -> None:
        if key := self._some_document():
            delete_document(self.database, self._id(*key), OPERATOR)
            del self.model.documents[key]
            self._note(f"delete {key}")

    def _share(self) -> None:
        if key := self._some_document():
            allow = frozenset(self.draw.sample(NAMES, self.draw.randint(0, 2)))
            self._set_list(*key, allow)
            self.model.documents[key] = (self.model.documents[key][0], allow)
            self._note(f"share {key} with {sorted(allow)}")

    def _inherit(self) -> None:
        if key := self._some_document():
            self._set_list(*key, None)
            self.model.documents[key] = (self.model.documents[key][0], None)
            self._note(f"inherit {key}")

    def _collection(self) -> None:
        name, allow = self.draw.choice(COLLECTIONS), set(self.draw.sample(NAMES, self.draw.randint(0, 2)))
        with self.database.write() as session:
            grants.set_collection_access(session, name, allow)
        self.model.lists[name] = allow
        self._note(f"list of {name}: {sorted(allow)}")

    def _member(self) -> None:
        pair = (self.draw.choice(USERS), self.draw.choice(GROUPS))
        with self.database.write() as session:
            (grants.remove_member if pair in self.model.members else grants.add_member)(session, *pair)
        self.model.members ^= {pair}
        self._note(f"toggle {pair}")

    def _set_list(self, collection: str, source: str, allow: frozenset[str] | None) -> None:
        with self.database.write() as session:
            grants.set_document_access(session, self._id(collection, source), allow)

    def ask(self) -> None:
        """Search as every user, every way; stale indexes first, then current ones."""
        text = " ".join(self.draw.sample(VOCABULARY, 2))
        for name in USERS:
            with self.database.read() as session:
                principal = principal_named(session, name)
            collection = self.draw.choice((None, *COLLECTIONS))
            self._no_leak(principal, text, Filters(collection=collection), "hybrid")
        self.retriever.sync()
        for name in USERS:
            with self.database.read() as session:
                principal = principal_named(session, name)
            self._like_brute_force(principal, text)
            self._like_the_operators(principal, text)
            self._lists(principal)

    def _search(self, principal: Principal, text: str, mode: Any, k: int, filters: Filters = NO_FILTERS) -> Retrieval:
        self.queries += 1
        self.checked[mode] += 1
        carry = tuple(self.draw.sample(range(1, 60), 5))  # passages of anybody's, as a forged conversation names them
        return self.retriever.retrieve(Query(text, carry), principal, filters=filters, k=k, mode=mode)

    def _no_leak(self, principal: Principal, text: str, filters: Filters, mode: Any) -> None:
        self._allowed(principal, self._search(principal, text, mode, K, filters), filters)

    def _allowed(self, principal: Principal, found: Retrieval, filters: Filters = NO_FILTERS) -> None:
        readable = self.model.readable(principal.name)
        for hit in found.hits:
            key = (hit.collection, hit.source)
            if key not in readable or hit.title != f"{hit.source} of {hit.collection}":
                self._fail(f"{principal.name} was shown {key}")
            if filters.collection not in (None, hit.collection):
                self._fail(f"{key} is outside {filters.collection}")
            if hit.chunk.text != self.model.documents[key][0]:
                self._fail(f"{principal.name} was shown a text that is not {key}'s")
            if not hit.chunk.heading.startswith(hit.title):
                self._fail(f"{principal.name} was shown the heading {hit.chunk.heading!r} on {key}")
            if strangers := {(hit.collection, source) for source in hit.also_in} - readable:
                self._fail(f"{principal.name} was told of {strangers}")
            if document_text(self.database, hit.chunk.document_id, principal) != hit.chunk.text:
                self._fail(f"{key} has another text")

    def _like_brute_force(self, principal: Principal, text: str) -> None:
        found = self._search(principal, text, "dense", K)
        self._allowed(principal, found)
        vector = self.encoder.encode([text], "query")[0]
        best = sorted((float(stored @ vector) for stored in self._permitted_vectors(principal)), reverse=True)[:K]
        # carried passages stay candidates whatever the search finds: they compete by score like the others
        if not _same([hit.scores.dense for hit in found.hits], best):
            self._fail(f"{principal.name} {text}: {[hit.scores.dense for hit in found.hits]} is not {best}")

    def _permitted_vectors(self, principal: Principal) -> list[np.ndarray]:
        """One vector for each text of a collection that the user may read in some document: the indexed copy's."""
        texts = self.model.texts(principal.name)
        query = (
            select(Document, DocumentVersion.text, EmbeddingRow.vector)
            .join(DocumentVersion, DocumentVersion.document_key == Document.key)
            .join(ChunkRow, ChunkRow.version_key == DocumentVersion.key)
            .join(EmbeddingRow, EmbeddingRow.chunk_id == ChunkRow.id)
            .where(Document.state == "live", Document.duplicate_of.is_(None))
            .where(DocumentVersion.version == Document.version)
        )
        with self.database.read() as session:
            rows = session.execute(query).all()
        return [np.frombuffer(vector, "<f4") for one, text, vector in rows if (one.collection.name, text) in texts]

    def _like_the_operators(self, principal: Principal, text: str) -> None:
        mine = self._search(principal, text, "lexical", K)
        self._allowed(principal, mine)
        everything = self._search(OPERATOR, text, "lexical", EVERYTHING)
        texts = self.model.texts(principal.name)
        best = [hit.scores.lexical for hit in everything.hits if (hit.collection, hit.chunk.text) in texts]
        expected = sorted((score for score in best if score), reverse=True)[:K]
        got = sorted((hit.scores.lexical for hit in mine.hits if hit.scores.lexical), reverse=True)
        if not _same(got, expected):  # a carried passage without a word of the query scores nothing
            self._fail(f"{principal.name} {text}: lexical {got} is not {expected}")

    def _lists(self, principal: Principal) -> None:
        readable = self.model.readable(principal.name)
        listed = {(row["collection"], row["source"]) for row in list_documents(self.database, principal)}
        if listed != readable:
            self._fail(f"{principal.name} lists {listed}, may read {readable}")
        for key in set(self.model.documents) - readable:
            document_id = self._id(*key)
            for look in (show_document, document_text):
                try:
                    look(self.database, document_id, principal)
                except NotFound:
                    continue
                self._fail(f"{principal.name} opened {key}")
            explained = self.retriever.explain(Query("salary"), principal, document_id)
            if explained.stage != "permission" or explained.ranks:
                self._fail(f"explain told {principal.name} of {key}: {explained}")
            self.queries += 1
            self.checked["explain"] += 1

    def _some_document(self) -> tuple[str, str] | None:
        return self.draw.choice(sorted(self.model.documents)) if self.model.documents else None

    def _id(self, collection: str, source: str) -> str:
        rows = list_documents(self.database, OPERATOR, collection=collection)
        return next(row["id"] for row in rows if row["source"] == source)

    def _note(self, line: str) -> None:
        self.history.append(line)

    def _fail(self, what: str) -> None:
        raise Leak("\n".join([*self.history, what]))


def _same(some: list[Any], others: list[Any]) -> bool:
    return len(some) == len(others) and np.allclose(some, others, atol=1e-4)
