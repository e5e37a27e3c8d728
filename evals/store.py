"""Filling a throw-away store with an evaluation's documents, and finding a row's documents in it again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import select

from core.db.models import Document, DocumentVersion
from core.db.session import Database
from core.errors import AttestError, InvalidInput
from core.settings import Settings
from evals.cases import CorpusRow
from evals.passages import DocumentText, page_spans, section_spans
from ingest.progress import make_progress
from ingest.run import IngestOptions, TextRecord, ingest, ingest_texts
from models.encoder import Encoder

logger = logging.getLogger(__name__)

COLLECTION = "default"


@dataclass(frozen=True, slots=True)
class Store:
    """What a throw-away store holds: document id by source, and the fields the corpus gave a source."""

    database: Database
    ids: Mapping[str, str]
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def find(self, name: str) -> tuple[str, ...]:
        """Return the ids of the documents a row's name means: equal, or a path suffix of the source.

        A row may name a document from a folder above the one that was ingested, so one leading part may differ.
        """
        if name in self.ids:
            return (self.ids[name],)
        parts = PurePosixPath(name.replace("\\", "/")).parts
        for wanted in (parts, parts[1:]):
            matches = [identifier for source, identifier in self.ids.items() if _ends_with(source, wanted)]
            if wanted and matches:
                return tuple(matches) if len(matches) == 1 or wanted is parts else ()
        return ()

    def scoped(self, name: str, value: Any, named: Iterable[str]) -> tuple[str, ...]:
        """Return the documents whose field equals a value, else those a row names."""
        matches = [self.ids[source] for source, fields in self.fields.items() if fields.get(name) == value]
        return tuple(matches) or tuple(identifier for document in named for identifier in self.find(document))

    def text(self, identifier: str) -> DocumentText:
        """Read a document's newest text with its pages and, where its source marks them, its sections."""
        with self.database.read() as session:
            source, text, pages = session.execute(
                select(Document.source, DocumentVersion.text, DocumentVersion.pages)
                .join(DocumentVersion, DocumentVersion.document_key == Document.key)
                .where(Document.id == identifier, DocumentVersion.version == Document.version)
            ).one()
        return DocumentText(identifier, source, text, page_spans(pages), section_spans(_raw(source), text))


def _ends_with(source: str, wanted: tuple[str, ...]) -> bool:
    return bool(wanted) and PurePosixPath(source.removeprefix("file://")).parts[-len(wanted) :] == wanted


def _raw(source: str) -> str:
    """Return the source file's text where it is a text file with section comments, else nothing."""
    path = Path(source.removeprefix("file://"))
    if path.suffix.lower() not in {".md", ".txt", ".html"} or not path.is_file():
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def fill_from_corpus(rows: Sequence[CorpusRow], *, database: Database, settings: Settings, encoder: Encoder) -> Store:
    """Ingest corpus rows, one document each, its source the row's id."""
    records = [TextRecord(source=row.id, title=row.title, text=row.text) for row in rows]
    progress = make_progress()
    report = ingest_texts(records, _options(), database=database, settings=settings, encoder=encoder, progress=progress)
    _log(report.to_json())
    return Store(database, _ids(database), {row.id: row.fields for row in rows})


def fill_from_folders(
    folders: Sequence[Path], questions: Path, *, database: Database, settings: Settings, encoder: Encoder
) -> Store:
    """Ingest every document below the folders, leaving out the evaluation's own files."""
    files = [file for folder in folders for file in documents_below(folder, questions)]
    if not files:
        raise InvalidInput(f"no documents below {', '.join(map(str, folders))}")
    progress = make_progress()
    report = ingest(files, _options(), database=database, settings=settings, encoder=encoder, progress=progress)
    _log(report.to_json())
    return Store(database, _ids(database))


def documents_below(folder: Path, questions: Path) -> list[Path]:
    """List the files to ingest: never the questions, whose answers would then be found in the store."""
    if not folder.exists():
        raise InvalidInput(f"{folder} does not exist")
    if folder.is_file():
        return [folder.resolve()]
    return sorted(
        path.resolve()
        for path in folder.rglob("*")
        if path.is_file() and not _belongs_to_evaluation(path, questions) and not path.name.startswith(".")
    )


def _belongs_to_evaluation(path: Path, questions: Path) -> bool:
    """Whether a file describes the set (questions, indexes, its own read-me) instead of being part of it."""
    if path.suffix == ".jsonl" or path.resolve() == questions.resolve():
        return True
    return path.name == "README.md" and any(path.parent.glob("questions*.jsonl"))


def _options() -> IngestOptions:
    return IngestOptions(collection=COLLECTION)


def stored(database: Database) -> Store:
    """Return the store of a database that is filled already."""
    return Store(database, _ids(database))


def _ids(database: Database) -> dict[str, str]:
    with database.read() as session:
        return {row.source: row.id for row in session.execute(select(Document.source, Document.id))}


def _log(report: Mapping[str, Any]) -> None:
    logger.info(
        "store filled: %s documents, %s chunks, %s duplicates, %s failures in %s s",
        report["added"],
        report["chunks"],
        report["duplicates"],
        len(report["failed"]),
        report["seconds"],
    )
    if not report["added"]:
        raise AttestError(f"no document could be ingested: {report['failed'][:3]}")
