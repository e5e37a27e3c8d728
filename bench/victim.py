"""What the kill harness kills: a process that works on a home and says what it has finished.

Everything runs on the real store, sandboxed parsers, blobs and indexes; the encoder alone is a double (words hashed
to a small vector), for embedding is not the subject and its weights would cost seconds a life.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from app.backup import backup, restore
from app.doctor import examine
from core.db.generations import live_generation
from core.db.models import ChunkRow, Document, DocumentVersion
from core.db.session import Database
from core.errors import NotFound
from core.settings import Settings
from core.types import OPERATOR
from ingest.promote import remove_document
from ingest.purge import purge_document
from ingest.reindex import build, switch
from ingest.report import IngestOptions, Silent
from ingest.run import ingest
from retriever import follower as following
from retriever.follower import Follower

WORD = re.compile(r"\w+")


class WordEncoder:
    """Texts as bags of hashed words: equal words, near vectors; instant and the same on every machine."""

    revision, max_tokens, tokenizer_file = "1", 256, None

    def __init__(self, dimension: int = 16, name: str = "double") -> None:
        self.dimension, self.name = dimension, name

    def encode(self, texts: Sequence[str], kind: str, on_batch: Any = None) -> np.ndarray:
        """Return unit vectors, shape (n, dimension)."""
        out = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in WORD.findall(text.lower()):
                digest = hashlib.blake2b(f"{self.name}{word}".encode(), digest_size=8).digest()
                out[row, digest[0] % self.dimension] += 1.0 if digest[1] & 1 else -1.0
            out[row, 0] += 1e-3
        return out / np.linalg.norm(out, axis=1, keepdims=True)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Return the offsets of words."""
        return [match.span() for match in WORD.finditer(text)]


@dataclass
class Life:
    """One process's work on one home."""

    settings: Settings
    documents: Path
    copies: Path
    acknowledge: int
    database: Database = field(init=False)

    def __post_init__(self) -> None:
        self.database = Database.open(self.settings)

    def run(self, steps: Sequence[Sequence[Any]]) -> None:
        """Do each step and say so; every document is acknowledged by itself, as the command line's progress is."""
        for number, (name, *arguments) in enumerate(steps):
            getattr(self, f"do_{name}")(*arguments)
            self.say({"done": number})
        self.database.close()

    def say(self, line: dict[str, Any]) -> None:
        """Write one line in one piece: it is there whole or not at all."""
        os.write(self.acknowledge, json.dumps(line).encode() + b"\n")

    def do_ingest(self, names: list[str]) -> None:
        """Ingest some files."""
        life = self

        class Acknowledging(Silent):
            def committed(self, source: str) -> None:
                life.say({"committed": Path(source).name})

        report = ingest(
            [self.documents / name for name in names],
            IngestOptions(workers=1),
            database=self.database,
            settings=self.settings,
            encoder=encoder_in_force(self.database),  # type: ignore[arg-type]
            progress=Acknowledging(),
        )
        assert not report.failed, report.failed

    def do_delete(self, name: str) -> None:
        """Delete a document."""
        with self.database.write() as session:
            remove_document(session, session.scalars(select(Document).where(self._named(name))).one())

    def do_purge(self, name: str) -> None:
        """Purge a document, if a purge of it that was interrupted has not been finished meanwhile."""
        with self.database.read() as session:
            document = session.scalar(select(Document.id).where(self._named(name)))
        try:
            purge_document(self.database, self.settings, document or "", OPERATOR)
        except NotFound:
            return

    def do_index(self) -> None:
        """Bring an index up to date and publish a snapshot of it."""
        following.PUBLISH_AFTER, following.PUBLISH_SHARE = 1, 0.0
        encoder = encoder_in_force(self.database)
        follower = Follower(self.database, self.settings, encoder)  # type: ignore[arg-type]
        follower.sync()
        follower.close()

    def do_reindex(self) -> None:
        """Build a generation of the other encoder and switch to it."""
        with self.database.read() as session:
            if live_generation(session) is None:
                return
        other = WordEncoder(name="other" if encoder_in_force(self.database).name == "double" else "double")
        generation = build(self.database, self.settings, other)  # type: ignore[arg-type]
        switch(self.database, self.settings, other, generation)  # type: ignore[arg-type]

    def do_backup(self) -> None:
        """Back up."""
        backup(self.database, self.settings, self.copies)

    def do_restore(self) -> None:
        """Restore."""
        self.database.close()
        restore(self.settings, self.copies, force=True)
        self.database = Database.open(self.settings)

    def do_repair(self) -> None:
        """Let the doctor mend what it can."""
        examine(self.settings, repair=True)

    def _named(self, name: str) -> Any:
        return Document.source.endswith(f"/{name}", autoescape=True)


def encoder_in_force(database: Database) -> WordEncoder:
    """Return the double that made the live generation."""
    with database.read() as session:
        live = live_generation(session)
    return WordEncoder(name=live.embedder if live is not None else "double")


def contents(settings: Settings) -> dict[str, str]:
    """Return the current text of every live document by file name."""
    database = Database.open(settings)
    try:
        with database.read() as session:
            rows = session.execute(
                select(Document.source, DocumentVersion.text)
                .join(DocumentVersion, DocumentVersion.document_key == Document.key)
                .where(Document.state == "live", DocumentVersion.version == Document.version)
            ).all()
            return {Path(source).name: text for source, text in rows}
    finally:
        database.close()


def index_rows(settings: Settings) -> dict[int, tuple[int, bytes]]:
    """Return chunk id → (version, vector) of an index opened on the home, snapshot and all."""
    database = Database.open(settings)
    follower = Follower(database, settings, encoder_in_force(database))  # type: ignore[arg-type]
    try:
        follower.sync()
        if follower.indexes is None:
            return {}
        view = follower.indexes.vectors.view()
        live = np.flatnonzero(view.alive)
        assert follower.indexes.lexical.count == len(live), "the word index holds other passages"
        return {int(view.ids[row]): (int(view.versions[row]), view.matrix[row].tobytes()) for row in live}
    finally:
        follower.close()
        database.close()


def torn_documents(settings: Settings) -> list[str]:
    """Return live documents of whose text some words are in none of their passages."""
    database = Database.open(settings)
    try:
        with database.read() as session:
            texts = session.execute(
                select(Document.source, DocumentVersion.key, DocumentVersion.text)
                .join(DocumentVersion, DocumentVersion.document_key == Document.key)
                .where(Document.state == "live", DocumentVersion.version == Document.version)
            ).all()
            torn = []
            for source, key, text in texts:
                passages = session.scalars(select(ChunkRow.text).where(ChunkRow.version_key == key))
                if set(WORD.findall(text)) - {word for passage in passages for word in WORD.findall(passage)}:
                    torn.append(source)
            return torn
    finally:
        database.close()
