"""Naming what a search over settings was made of, so that a later one goes on only with the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select

from core.db.generations import live_generation
from core.db.models import Document
from core.db.session import Database
from evals.answers import Material
from evals.store import documents_below


def name_of_files(files: Iterable[Path], *more: object) -> str:
    """Return twelve hex digits that stand for the files' names and content and whatever else is given."""
    digest = hashlib.sha256(repr(more).encode())
    for file in files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{file} {content}\n".encode())
    return digest.hexdigest()[:12]


def name_of_material(material: Material, *more: object) -> str:
    """Return what stands for documents and whatever else is given.

    Raises:
        InvalidInput: a folder is not there.
    """
    if material.corpus is not None:
        return name_of_files([material.corpus.resolve()], *more)
    return name_of_files((file for folder in material.folders for file in documents_below(folder, Path())), *more)


def name_of_store(database: Database, *more: object) -> str:
    """Return what stands for the documents of a store as they are and are cut now, and whatever else is given."""
    held = select(Document.id, Document.source, Document.version, Document.state).order_by(Document.id)
    with database.read() as session:
        generation = live_generation(session)
        digest = hashlib.sha256(repr((None if generation is None else generation.id, *more)).encode())
        for row in session.execute(held):
            digest.update(f"{tuple(row)}\n".encode())
    return digest.hexdigest()[:12]
