"""The sources of training rows, gathered: a file of questions, answers that readers liked, documents alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.db.session import Database
from core.errors import InvalidInput
from core.settings import Settings
from tuning.ptune_data import Material, read_material


@dataclass(frozen=True, slots=True)
class Sources:
    """Which sources to use: documents with questions, liked answers, passages to write questions about."""

    asked: tuple[Path, Path] | None
    liked: bool
    written: int
    collection: str | None


def gather(settings: Settings, sources: Sources, seed: int) -> tuple[Material, dict[str, Any]]:
    """Return the material of all sources, and what each gave.

    Raises:
        InvalidInput: no source was named, or they gave nothing.
    """
    report: dict[str, Any] = {}
    found = []
    if sources.asked is not None:
        found.append(read_material(*sources.asked))
        report["asked"] = len(found[-1].examples)
    if sources.liked or sources.written:
        database = Database.open(settings)
        try:
            found += _from_store(settings, database, sources, seed, report)
        finally:
            database.close()
    material = Material(
        [example for item in found for example in item.examples],
        {name: texts for item in found for name, texts in item.passages.items()},
        [row for item in found for row in item.rows],
    )
    if not material.examples and not material.rows:
        gave = ", ".join(f"{name} gave {count}" for name, count in report.items())
        raise InvalidInput(f"no rows: {gave or 'name --docs with --questions, --liked or --written'}")
    return material, report


def _from_store(
    settings: Settings, database: Database, sources: Sources, seed: int, report: dict[str, Any]
) -> list[Material]:
    from tuning.store_rows import liked_rows, passages_by_document

    found = []
    if sources.liked:
        rows = liked_rows(database, sources.collection)
        report["liked"] = len(rows)
        found.append(Material([], {}, rows))
    if sources.written:
        from tuning.document_questions import make_reader, make_writer, verified_examples

        passages = passages_by_document(database, sources.collection, sources.written)
        examples, counts = verified_examples(passages, make_writer(settings), make_reader(settings), seed=seed)
        report["written"] = counts
        found.append(Material(examples, passages))
    return found
